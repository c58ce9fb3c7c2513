/** Messages that a client may send: so many a second, and so many at once. A page sends none, or an echo now and then. */
const perSecond = 20;
const atOnce = 60;

/** Takes a token each time; false when there is none left. */
export function createBucket(): () => boolean {
  let tokens = atOnce;
  let filled = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(atOnce, tokens + ((now - filled) / 1000) * perSecond);
    filled = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
