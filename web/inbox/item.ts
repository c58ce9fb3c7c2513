import type { InboxItem } from "../../src/client/index.ts";

/** Old systems may have stored what is no text. */
const textOf = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : "";

/** One that shows nothing, such as a lone mark of direction, is none. */
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

/** Where `data.url` leads, when that is a web address: as it is, or from this page on. Never what a browser would run. */
export function addressOf(item: InboxItem): string | undefined {
  const url = item.data?.url;
  if (typeof url !== "string" || !URL.canParse(url, document.baseURI)) return undefined;
  const { protocol, href } = new URL(url, document.baseURI);
  return protocol === "https:" || protocol === "http:" ? href : undefined;
}

export type Filter = "all" | "unread" | "archived";

/** `kept`: what has been read here and now, so that it does not vanish under its reader's eyes. */
export function filtered(
  items: readonly InboxItem[],
  filter: Filter,
  kept: ReadonlySet<string>,
): readonly InboxItem[] {
  if (filter === "archived") return items.filter((one) => one.archived);
  const inbox = items.filter((one) => !one.archived);
  return filter === "all" ? inbox : inbox.filter((one) => !one.read || kept.has(one.id));
}
