import { html, nothing } from "lit";
import type { InboxItem } from "../../src/client/index.ts";
import * as icons from "./icons.ts";
import { addressOf, bodyOf, titleOf } from "./item.ts";
import type { Locale } from "./locale.ts";
import type { Change } from "./pending.ts";

export interface Row {
  item: InboxItem;
  locale: Locale;
  /** The service's, in Unix milliseconds. */
  now: number;
  /** Its place in the list, from 0, and how long that is: only the first rows are drawn. */
  index: number;
  count: number;
  /** Shown as news. */
  isNew: boolean;
  /** The one row of the list that the Tab key stops at. */
  isCurrent: boolean;
  isExpanded: boolean;
  onClick: (event: MouseEvent, item: InboxItem) => void;
  onChange: (change: Change, item: InboxItem) => void;
  onExpand: (item: InboxItem) => void;
}

/** Where the pointer went down: what is dragged selects text, of which browsers tell nothing inside of a shadow root. */
let down = { clientX: 0, clientY: 0 };
const isDragged = ({ clientX, clientY }: MouseEvent) =>
  Math.hypot(clientX - down.clientX, clientY - down.clientY) > 4;
const press = (event: PointerEvent) => {
  down = event;
};
/** All of the row is its title, but its buttons: with Ctrl it opens another tab from there, too. */
const clickRow = (event: MouseEvent) => {
  if ((event.target as Element).closest("a, button, .foot") || isDragged(event)) return;
  (event.currentTarget as Element).querySelector(".main")?.dispatchEvent(new MouseEvent("click", event));
};

/** What came from elsewhere stands in `bdi`s, as text: it changes the direction of nothing but itself. */
export function row(given: Row) {
  const { item, locale, now, index, count, isNew, isCurrent, isExpanded } = given;
  const { texts } = locale;
  const [title, body, url] = [titleOf(item), bodyOf(item), addressOf(item)];
  const at = Date.parse(item.created_at);
  const tabindex = isCurrent ? 0 : -1;
  const click = (event: MouseEvent) => given.onClick(event, item);
  const name = html`${isNew ? html`<span class="sr">${texts.isUnread} </span>` : nothing}<bdi>${title}</bdi>`;
  const action = (change: Change, says: string, icon: unknown) => html`
    <button class="icon" part="action ${change}" type="button" tabindex=${tabindex} title=${says} aria-label=${says}
      @click=${() => given.onChange(change, item)}>${icon}</button>`;
  return html`
    <li part="item ${isNew ? "item-unread" : "item-read"}" class="item ${isNew ? "new" : ""} ${isExpanded ? "whole" : ""}"
      data-id=${item.id} aria-posinset=${index + 1} aria-setsize=${count} @pointerdown=${press} @click=${clickRow}>
      <slot name="item-${item.id}">
        ${
          url
            ? html`<a class="main" part="item-title" href=${url} tabindex=${tabindex} @click=${click}
                aria-describedby="body-${index} time-${index}">${name}</a>`
            : html`<button class="main" part="item-title" type="button" tabindex=${tabindex} @click=${click}
                aria-describedby="body-${index} time-${index}">${name}</button>`
        }
        ${body ? html`<p class="body" part="item-body" id="body-${index}"><bdi>${body}</bdi></p>` : nothing}
      </slot>
      <div class="foot" part="item-foot">
        <time part="time" id="time-${index}" datetime=${item.created_at} title=${locale.moment(at)}>${locale.ago(at, now)}</time>
        <button class="plain" part="more" type="button" tabindex=${tabindex} aria-expanded=${isExpanded}
          @click=${() => given.onExpand(item)}>${isExpanded ? texts.less : texts.more}</button>
        <div class="actions" part="actions">
          ${item.read ? action("unread", texts.markUnread, icons.dot) : action("read", texts.read, icons.check)}
          ${
            item.archived
              ? action("unarchive", texts.unarchive, icons.unarchive)
              : action("archive", texts.archive, icons.archive)
          }
          ${action("remove", texts.remove, icons.bin)}
        </div>
      </div>
    </li>`;
}
