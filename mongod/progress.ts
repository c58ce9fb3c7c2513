import { bytesIn } from "./cache.ts";
import { run } from "./run.ts";
import type { Log } from "./types.ts";

const WIDTH = 30;
const MB = 1e6;
const LOOK_MS = 100;
const LOG_MS = 2_000;
const STALLED_MS = 60_000;

/**
 * Runs a program which fetches something into `dir`; how far it is, is seen by the growth of that folder. On a terminal
 * one line is redrawn; elsewhere a log line at most each 2 s. A program which brings nothing for 60 s is ended: on
 * networks which swallow packets the tools themselves wait for minutes. A proxy may be silent while it fetches a file.
 */
export async function runFetching(
  command: readonly string[],
  what: { label: string; dir: string; totalBytes?: number; log: Log; env?: NodeJS.ProcessEnv },
  out: Pick<NodeJS.WriteStream, "isTTY" | "write"> = process.stderr,
) {
  const stalled = new AbortController();
  let looking = false;
  let ended = false;
  let seen = { bytes: 0, at: Date.now() };
  let logged = seen;
  const timer = setInterval(async () => {
    if (looking) return;
    looking = true;
    const bytes = await bytesIn(what.dir);
    looking = false;
    // The look that was under way at the end would leave its bar on the terminal.
    if (ended) return;
    const now = Date.now();
    if (bytes !== seen.bytes) seen = { bytes, at: now };
    if (now - seen.at > STALLED_MS) stalled.abort(new Error(`nothing came for ${STALLED_MS / 1000} s`));
    if (out.isTTY) out.write(`\r${bar(what.label, bytes, what.totalBytes)}\x1b[K`);
    else if (bytes > logged.bytes && now - logged.at >= LOG_MS) {
      logged = { bytes, at: now };
      what.log(`${what.label}: ${amount(bytes, what.totalBytes)}`);
    }
  }, LOOK_MS);
  try {
    return await run(command, { signal: stalled.signal, ...(what.env && { env: what.env }) });
  } finally {
    ended = true;
    clearInterval(timer);
    if (out.isTTY) out.write("\r\x1b[K");
  }
}

export function bar(label: string, bytes: number, totalBytes: number | undefined) {
  if (!totalBytes) return `${label} ${amount(bytes, totalBytes)}`;
  const full = Math.round(Math.min(1, bytes / totalBytes) * WIDTH);
  return `${label} [${"█".repeat(full)}${"░".repeat(WIDTH - full)}] ${amount(bytes, totalBytes)}`;
}

function amount(bytes: number, totalBytes: number | undefined) {
  if (!totalBytes) return `${Math.round(bytes / MB)} MB`;
  const shown = Math.min(bytes, totalBytes);
  return `${Math.floor((100 * shown) / totalBytes)} % (${Math.round(shown / MB)} of ${Math.round(totalBytes / MB)} MB)`;
}
