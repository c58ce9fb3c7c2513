/** `npm run test:full` runs everything at the size at which it is promised; `npm test` takes less of what is slow. */
const isFull = process.env.TEST_FORM === "full";

export const sized = (full: number, quick: number): number => (isFull ? full : quick);
