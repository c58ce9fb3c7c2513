import { createHash } from "node:crypto";

/**
 * An id that is the same in each run: the seconds of `at` (Unix ms), and a digest of the parts. A notification shows the
 * time in its id.
 */
export function idOf(at: number, ...parts: string[]): string {
  const seconds = Math.floor(at / 1_000)
    .toString(16)
    .padStart(8, "0");
  return seconds + createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}
