// Features of browsers that Node lacks, or has only in some versions. Everything works without them.

const platform = globalThis as {
  navigator?: { onLine?: boolean };
  addEventListener?: (type: string, listener: () => void) => void;
  removeEventListener?: (type: string, listener: () => void) => void;
};

/** False when the platform knows that there is no network. */
export const isOnline = (): boolean => platform.navigator?.onLine !== false;

/** Calls `listener` when the network comes or goes, until the returned function is called. */
export function watchNetwork(listener: () => void): () => void {
  for (const type of ["online", "offline"]) platform.addEventListener?.(type, listener);
  return () => {
    for (const type of ["online", "offline"]) platform.removeEventListener?.(type, listener);
  };
}

/** A new idempotency key. `randomUUID` exists in secure contexts only. */
export function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((one) => one.toString(16).padStart(2, "0"))
    .join("");
}
