/**
 * One string in the browser's storage and in this page's memory. A browser that blocks storage throws as soon as
 * `localStorage` is read.
 */
export function slotIn(find: () => Storage, name: string) {
  const storage = (): Storage | undefined => {
    try {
      return find();
    } catch {
      return undefined;
    }
  };
  let kept = storage()?.getItem(name) ?? undefined;
  return {
    get: (): string | undefined => kept,
    set(text: string): void {
      kept = text;
      storage()?.setItem(name, text);
    },
    forget(): void {
      kept = undefined;
      storage()?.removeItem(name);
    },
  };
}
