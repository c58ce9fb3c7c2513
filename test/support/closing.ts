const open = new Set<() => unknown>();

/** Closes it after the test that opened it. */
export function closeAfterTest(close: () => unknown): void {
  open.add(close);
}

export async function closeAll(): Promise<void> {
  const all = [...open];
  open.clear();
  await Promise.all(all.map((close) => close()));
}
