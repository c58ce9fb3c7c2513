import type { InboxItem } from "../../src/client/index.ts";

/** Older systems may have stored other types. */
const textOf = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : "";

/** A title that shows nothing, such as a lone direction mark, counts as missing. */
export function titleOf(item: InboxItem): string {
  const title = textOf(item.title).trim();
  return /[^\p{C}\p{Z}]/u.test(title) ? title : readable(item.type);
}
export const bodyOf = (item: InboxItem): string => textOf(item.body).trim();

/** `new_message`: New message. `orderShipped`: Order shipped. */
function readable(type: string): string {
  const words = textOf(type)
    .replace(/(\p{Ll})(\p{Lu})/gu, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`)
    .replace(/[\s_.-]+/g, " ")
    .trim();
  const [first = ""] = words;
  return first.toUpperCase() + words.slice(first.length);
}

/** `data.url` as a whole address, if it is one of the web, or relative to this page. Never anything that a browser would run. */
export function addressOf(item: InboxItem): string | undefined {
  const url = item.data?.url;
  if (typeof url !== "string" || !URL.canParse(url, document.baseURI)) return undefined;
  const { protocol, href } = new URL(url, document.baseURI);
  return protocol === "https:" || protocol === "http:" ? href : undefined;
}

/** The items that the service counts as `unseen`: the newest unread ones. */
export const unseenOf = (items: readonly InboxItem[], unseen: number): readonly InboxItem[] =>
  unreadOf(items).slice(0, unseen);

export const unreadOf = (items: readonly InboxItem[]): readonly InboxItem[] =>
  items.filter((one) => !one.read);

export type Filter = "all" | "unread" | "archived";

/** `kept`: items read just now, which stay in sight among the unread ones. */
export function filtered(
  items: readonly InboxItem[],
  filter: Filter,
  kept: ReadonlySet<string>,
): readonly InboxItem[] {
  if (filter === "archived") return items.filter((one) => one.archived);
  const inbox = items.filter((one) => !one.archived);
  return filter === "all" ? inbox : inbox.filter((one) => !one.read || kept.has(one.id));
}
