/**
 * One text in a browser's storage, and in this page's memory: a browser that stores nothing for sites throws already where
 * its storage is named.
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
