import { html, nothing } from "lit";
import type { InboxItem } from "../../src/client/index.ts";
import * as icons from "./icons.ts";
import { addressOf, bodyOf, titleOf } from "./item.ts";
import { fields, isFrom } from "./keys.ts";
import type { Locale } from "./locale.ts";
import { slotOf } from "./own-rows.ts";
import type { Change } from "./pending.ts";

export interface Row {
  item: InboxItem;
  locale: Locale;
  /** The service's, in Unix milliseconds. */
  now: number;
  /** Its place in the list, from 0, and the list's length: only the first rows are drawn. */
  index: number;
  count: number;
  /** Shown as new. */
  isNew: boolean;
  /** It was unseen when the list was opened. */
  isFresh: boolean;
  /** The one row of the list that the Tab key stops at. */
  isCurrent: boolean;
  isExpanded: boolean;
  /** Its content is the page's. */
  isOwn: boolean;
  /** It is shown below the row of its group. */
  isMember?: boolean | undefined;
  onClick: (event: MouseEvent, item: InboxItem) => void;
  onChange: (change: Change, item: InboxItem) => void;
  onExpand: (id: string) => void;
}

/** Where the pointer went down. A drag selects text, but inside a shadow root browsers hide the selection. */
let down = { clientX: 0, clientY: 0 };
const isDragged = ({ clientX, clientY }: MouseEvent) =>
  Math.hypot(clientX - down.clientX, clientY - down.clientY) > 4;
export const press = (event: PointerEvent) => {
  down = event;
};
/** A click anywhere in the row, except on its buttons and links, clicks the title, so a Ctrl-click opens another tab. */
export const clickRow = (event: MouseEvent) => {
  if (isFrom(event, `a, button, label, .foot, ${fields}`) || isDragged(event)) return;
  (event.currentTarget as Element).querySelector(".main")?.dispatchEvent(new MouseEvent("click", event));
};

/** The buttons of a row. Those of a group act on all of its items, and delete nothing. */
export function actions(
  { locale: { texts }, isCurrent, onChange }: Omit<Row, "isOwn">,
  items: readonly InboxItem[],
) {
  const action = (change: Change, label: string, icon: unknown) => html`
    <button class="icon" part="action ${change}" type="button" tabindex=${isCurrent ? 0 : -1} title=${label} aria-label=${label}
      @click=${() => {
        for (const one of items) onChange(change, one);
      }}>${icon}</button>`;
  return html`<div class="actions" part="actions">
    ${
      items.every(({ read }) => read)
        ? action("unread", texts.markUnread, icons.dot)
        : action("read", texts.read, icons.check)
    }
    ${
      items[0]?.archived
        ? action("unarchive", texts.unarchive, icons.unarchive)
        : action("archive", texts.archive, icons.archive)
    }
    ${items.length > 1 ? nothing : action("remove", texts.remove, icons.bin)}
  </div>`;
}

/**
 * Foreign text is in a `bdi`, so that its direction does not affect the rest. When the page draws the content, our title lies
 * below it without text, for the focus, the clicks and the link.
 */
export function row(given: Row) {
  const { item, locale, now, index, count, isNew, isFresh, isCurrent, isExpanded, isOwn, isMember } = given;
  const { texts } = locale;
  const [title, body, url] = [titleOf(item), bodyOf(item), addressOf(item)];
  const at = Date.parse(item.created_at);
  const tabindex = isCurrent ? 0 : -1;
  const click = (event: MouseEvent) => given.onClick(event, item);
  const label = isOwn ? `${isNew ? `${texts.isUnread} ` : ""}${title}` : nothing;
  const name = isOwn
    ? nothing
    : html`${isNew ? html`<span class="sr">${texts.isUnread} </span>` : nothing}<bdi>${title}</bdi>`;
  const about = `${isOwn ? "" : `body-${index} `}fresh-${index} time-${index}`;
  return html`
    <li part="item ${isNew ? "item-unread" : "item-read"}" class="item ${isNew ? "new" : ""} ${isExpanded ? "whole" : ""} ${isOwn ? "own" : ""} ${isMember ? "member" : ""}"
      data-id=${item.id} aria-posinset=${index + 1} aria-setsize=${count} @pointerdown=${press} @click=${clickRow}>
      ${
        url
          ? html`<a class="main" part="item-title" href=${url} tabindex=${tabindex} @click=${click}
              aria-label=${label} aria-describedby=${about}>${name}</a>`
          : html`<button class="main" part="item-title" type="button" tabindex=${tabindex} @click=${click}
              aria-label=${label} aria-describedby=${about}>${name}</button>`
      }
      <slot name=${slotOf(item)}>
        ${body && !isOwn ? html`<p class="body" part="item-body" id="body-${index}"><bdi>${body}</bdi></p>` : nothing}
      </slot>
      <div class="foot" part="item-foot">
        ${isFresh ? html`<span class="fresh" part="unseen" id="fresh-${index}">${texts.isUnseen}</span>` : nothing}
        <time part="time" id="time-${index}" datetime=${item.created_at} title=${locale.moment(at)}>${locale.ago(at, now)}</time>
        <button class="plain" part="more" type="button" tabindex=${tabindex} aria-expanded=${isExpanded}
          @click=${() => given.onExpand(item.id)}>${isExpanded ? texts.less : texts.more}</button>
        ${actions(given, [item])}
      </div>
    </li>`;
}
