import { createTokenBucket } from "../../lib/token-bucket.ts";

/** Messages that a client may send: so many a second, and so many at once. A page sends none, or an echo now and then. */
const perSecond = 20;
const atOnce = 60;

/** Takes a token each time; false when there is none left. */
export function createBucket(): () => boolean {
  const bucket = createTokenBucket({ perMs: perSecond / 1000, most: atOnce, now: () => performance.now() });
  return () => bucket.take(1) === 0;
}
