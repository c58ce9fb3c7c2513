import { html, nothing } from "lit";
import type { InboxItem } from "../../src/client/index.ts";
import { actorsOf } from "./groups.ts";
import { titleOf } from "./item.ts";
import type { Locale } from "./locale.ts";
import { actions, clickRow, press, type Row } from "./row.ts";

/** Several items in one row: the newest's title, and who caused them. A click shows the items below it. */
export function groupRow(id: string, group: readonly InboxItem[], given: Omit<Row, "isOwn">) {
  const { item, locale, now, index, count, isNew, isFresh, isCurrent, isExpanded } = given;
  const { texts, plural } = locale;
  const at = Date.parse(item.created_at);
  const tabindex = isCurrent ? 0 : -1;
  const [first] = actorsOf(group);
  return html`
    <li part="item item-group ${isNew ? "item-unread" : "item-read"}" class="item group ${isNew ? "new" : ""}"
      data-id=${id} aria-posinset=${index + 1} aria-setsize=${count} @pointerdown=${press} @click=${clickRow}>
      <button class="main" part="item-title" type="button" tabindex=${tabindex} aria-expanded=${isExpanded}
        aria-describedby="body-${index} fresh-${index} many-${index} time-${index}" @click=${() => given.onExpand(id)}
        >${isNew ? html`<span class="sr">${texts.isUnread} </span>` : nothing}<bdi>${titleOf(item)}</bdi></button>
      ${first ? html`<p class="body" part="item-body" id="body-${index}">${actorsInWords(group, locale)}</p>` : nothing}
      <div class="foot" part="item-foot">
        ${isFresh ? html`<span class="fresh" part="unseen" id="fresh-${index}">${texts.isUnseen}</span>` : nothing}
        <span class="many" part="group-count" id="many-${index}">${plural(texts.grouped, group.length)}</span>
        <time part="time" id="time-${index}" datetime=${item.created_at} title=${locale.moment(at)}>${locale.ago(at, now)}</time>
        ${actions(given, group)}
      </div>
    </li>`;
}

/** "Maria and 4 others". A name is foreign text, so it is in a `bdi`. */
function actorsInWords(group: readonly InboxItem[], { texts, plural }: Locale) {
  const [first, ...others] = actorsOf(group);
  const name = html`<bdi>${first}</bdi>`;
  if (others.length === 0) return name;
  const [before, after] = plural(texts.others, others.length).split("{name}");
  return html`${before}${name}${after}`;
}
