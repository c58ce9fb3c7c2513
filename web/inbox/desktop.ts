import type { InboxItem } from "../../src/client/index.ts";
import { bodyOf, titleOf } from "./item.ts";
import { shortened } from "./shortened.ts";

/** The browser's own notifications, for a page that nobody looks at. */

const storageKey = "belfry-inbox-notify";
/** What piled up while the page was away is not thrown at its reader one by one. */
const mostAtOnce = 3;

/** Whether the browser has them: not without TLS. */
export const canNotify = (): boolean => "Notification" in window && isSecureContext;
export const isBlocked = (): boolean => Notification.permission === "denied";

/** The browser's permission is the whole site's; the reader must have wanted these as well. */
export function hasAgreed(): boolean {
  try {
    return canNotify() && Notification.permission === "granted" && localStorage.getItem(storageKey) === "on";
  } catch {
    return false;
  }
}

/** Only from a click: browsers ignore, and people refuse, what is asked out of the blue. */
export async function agree(wanted: boolean): Promise<void> {
  if (wanted && (await Notification.requestPermission()) !== "granted") return;
  try {
    localStorage.setItem(storageKey, wanted ? "on" : "off");
  } catch {
    // A browser that keeps nothing: then it is not agreed.
  }
}

/** Shows what has come, unless some tab of the site that has this inbox is being looked at. */
export async function notify(
  user: string,
  arrived: InboxItem[],
  onClick: (item: InboxItem) => void,
): Promise<void> {
  if (!document.hidden || !hasAgreed() || (await isSeenElsewhere(user))) return;
  for (const item of arrived.slice(0, mostAtOnce).reverse()) {
    try {
      // One for all tabs that show it: those with the same tag replace each other.
      const options = { body: shortened(bodyOf(item)), tag: `belfry ${user} ${item.id}` };
      const notification = new Notification(shortened(titleOf(item)), options);
      notification.onclick = () => {
        window.focus();
        notification.close();
        onClick(item);
      };
    } catch {
      // Some phones have them for service workers alone.
      return;
    }
  }
}

const lockName = (user: string) => `belfry inbox ${user} is seen`;

/** Tells the site's other tabs, as long as this one is visible, until the returned function is called. */
export function showPresence(user: string): () => void {
  let visible = new AbortController();
  const update = () => {
    visible.abort();
    visible = new AbortController();
    const { signal } = visible;
    if (document.hidden) return;
    // Held until it is aborted; aborted before, it never is.
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
