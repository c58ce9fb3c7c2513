/**
 * Gives back the memory that only the start took. Loading the modules makes V8's young generation grow, and V8 shrinks it
 * again only in a collection that is told to reduce memory, as this one is (decision 022). Never rejects: where Node has no
 * inspector or forbids it (`--permission`), the memory stays taken.
 */
export async function shrinkHeap(): Promise<void> {
  try {
    const { Session } = await import("node:inspector/promises");
    const session = new Session();
    session.connect();
    await session.post("HeapProfiler.collectGarbage");
    session.disconnect();
  } catch {}
}
