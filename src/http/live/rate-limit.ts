import { createTokenBucket } from "../../lib/token-bucket.ts";

/** A page sends nothing, or an echo now and then. */
const messagesPerSecond = 20;
const messagesAtOnce = 60;

/** Limits the messages that a client may send. False: it has sent too many. */
export function createRateLimit(): () => boolean {
  const bucket = createTokenBucket({
    perMs: messagesPerSecond / 1000,
    most: messagesAtOnce,
    now: () => performance.now(),
  });
  return () => bucket.take(1) === 0;
}
