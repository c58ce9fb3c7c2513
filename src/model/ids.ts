/** When an id of ours was made, in Unix seconds. It has 24 hex characters. */
export const secondsOfId = (id: string): number => Number.parseInt(id.slice(0, 8), 16);
