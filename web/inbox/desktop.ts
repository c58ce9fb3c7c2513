import type { InboxItem } from "../../src/client/index.ts";
import { bodyOf, titleOf } from "./item.ts";
import { shortened } from "./shortened.ts";

/** The browser's own notifications, for a hidden page. */

const storageKey = "belfry-inbox-notify";
/** Limits the notifications after a long absence. */
const mostAtOnce = 3;

/** Browsers have them only over TLS. */
export const canNotify = (): boolean => "Notification" in window && isSecureContext;
export const isBlocked = (): boolean => Notification.permission === "denied";

/** The browser's permission is for the whole site; the reader must have switched these on as well. */
export function hasAgreed(): boolean {
  try {
    return canNotify() && Notification.permission === "granted" && localStorage.getItem(storageKey) === "on";
  } catch {
    return false;
  }
}

/** Call it from a click: browsers ignore a request without one. */
export async function agree(wanted: boolean): Promise<void> {
  if (wanted && (await Notification.requestPermission()) !== "granted") return;
  try {
    localStorage.setItem(storageKey, wanted ? "on" : "off");
  } catch {
    // Storage is blocked: then they stay off.
  }
}

/** Shows what has arrived, unless another tab with this inbox is visible. */
export async function notify(
  user: string,
  arrived: InboxItem[],
  onClick: (item: InboxItem) => void,
): Promise<void> {
  if (!document.hidden || !hasAgreed() || (await isSeenElsewhere(user))) return;
  for (const item of arrived.slice(0, mostAtOnce).reverse()) {
    try {
      // All tabs together show one: notifications with the same tag replace each other.
      const options = { body: shortened(bodyOf(item)), tag: `belfry ${user} ${item.id}` };
      const notification = new Notification(shortened(titleOf(item)), options);
      notification.onclick = () => {
        window.focus();
        notification.close();
        onClick(item);
      };
    } catch {
      // Some phones allow them to service workers only.
      return;
    }
  }
}

const lockName = (user: string) => `belfry inbox ${user} is seen`;

/** Tells the site's other tabs while this one is visible, until the returned function is called. */
export function showPresence(user: string): () => void {
  let visible = new AbortController();
  const update = () => {
    visible.abort();
    visible = new AbortController();
    const { signal } = visible;
    if (document.hidden) return;
    // The lock is held until the signal is aborted.
    const hold = () => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    navigator.locks?.request(lockName(user), { mode: "shared", signal }, hold).catch(() => {});
  };
  document.addEventListener("visibilitychange", update);
  update();
  return () => {
    document.removeEventListener("visibilitychange", update);
    visible.abort();
  };
}

async function isSeenElsewhere(user: string): Promise<boolean> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return held.some((lock) => lock.name === lockName(user));
}
