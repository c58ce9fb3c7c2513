import { html, nothing } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { InboxItem } from "../../src/client/index.ts";
import * as desktop from "./desktop.ts";
import { groupRow } from "./group-row.ts";
import type { Entry } from "./groups.ts";
import * as icons from "./icons.ts";
import { type Filter, titleOf } from "./item.ts";
import { type Row, row } from "./row.ts";
import { shortened } from "./shortened.ts";
import { failureFor, type Status } from "./status.ts";

export interface Panel extends Pick<Row, "locale" | "now" | "onClick" | "onChange" | "onExpand"> {
  isInline: boolean;
  isLoaded: boolean;
  unread: number;
  filter: Filter;
  /** The rows that pass the filter; the first `drawn` are drawn. */
  rows: readonly Entry[];
  drawn: number;
  current: number;
  isNew: (item: InboxItem) => boolean;
  isFresh: (item: InboxItem) => boolean;
  isExpanded: (id: string) => boolean;
  isOwn: (item: InboxItem) => boolean;
  /** The item whose delete can be undone. */
  removed: InboxItem | undefined;
  status: Status | undefined;
  failure: Error | undefined;
  showsBlocked: boolean;
  /** Milliseconds; 0: the device's clock is right. */
  clockOff: number;
  onFilter: (filter: Filter) => void;
  /** The preferences, in place of the list; undefined: they are not shown. */
  preferences: unknown;
  onPreferences: () => void;
  onReadAll: () => void;
  onNotify: () => void;
  onRetry: () => void;
  onForgive: () => void;
  onUndo: () => void;
  onFocus: (event: FocusEvent) => void;
}

const filters = { all: "filterAll", unread: "filterUnread", archived: "filterArchived" } as const;
const emptyWords = { all: "emptyAll", unread: "emptyUnread", archived: "emptyArchived" } as const;

export const panel = (given: Panel) => html`
  ${header(given)} ${given.preferences ? nothing : choice(given)}
  <div role="status" class="notices">${given.isLoaded ? notices(given) : nothing}</div>
  <div class="scroll" part="body">${given.preferences ?? (given.isLoaded ? list(given) : waiting(given))}</div>
  <slot name="footer"></slot>`;

function header(given: Panel) {
  const { unread, isInline, preferences, onReadAll, onNotify, onPreferences } = given;
  const { texts, plural } = given.locale;
  const agreed = desktop.hasAgreed();
  const notifyWords = agreed ? texts.notifyOff : texts.notifyOn;
  return html`
    <header part="header">
      ${
        preferences
          ? html`<button class="icon" part="back" type="button" title=${texts.back} aria-label=${texts.back}
              @click=${onPreferences}>${icons.back}</button>`
          : nothing
      }
      <h2 part="title" id="title">${preferences ? texts.preferences : html`<slot name="title">${texts.title}</slot>`}</h2>
      <span class="unread" part="unread">${unread > 0 ? html`<bdi>${plural(texts.unread, unread)}</bdi>` : nothing}</span>
      <slot name="header"></slot>
      <div class="tools">
        <button class="icon" part="read-all" type="button" title=${texts.readAll} aria-label=${texts.readAll}
          aria-disabled=${unread === 0} @click=${onReadAll}>${icons.checks}</button>
        ${
          desktop.canNotify()
            ? html`<button class="icon" part="notify" type="button" title=${notifyWords} aria-label=${texts.notifyOn}
                aria-pressed=${agreed} @click=${onNotify}>${agreed ? icons.screenOn : icons.screen}</button>`
            : nothing
        }
        ${
          preferences
            ? nothing
            : html`<button class="icon" part="preferences" type="button" title=${texts.preferences}
                aria-label=${texts.preferences} @click=${onPreferences}>${icons.gear}</button>`
        }
        ${
          isInline
            ? nothing
            : html`<button class="icon" part="close" type="button" title=${texts.close} aria-label=${texts.close}
                popovertarget="panel" popovertargetaction="hide">${icons.cross}</button>`
        }
      </div>
    </header>`;
}

const choice = ({ locale: { texts }, filter, onFilter }: Panel) => html`
  <fieldset part="filters">
    <legend class="sr">${texts.show}</legend>
    ${(Object.keys(filters) as Filter[]).map(
      (one) => html`<label part="filter ${one === filter ? "filter-chosen" : ""}">
        <input type="radio" name="filter" value=${one} .checked=${one === filter} @change=${() => onFilter(one)} />
        <span>${texts[filters[one]]}</span></label>`,
    )}
  </fieldset>`;

function notices(given: Panel) {
  const { locale, status, failure, removed, showsBlocked, onRetry, onForgive, onUndo } = given;
  const { texts } = locale;
  const dismiss = html`<button class="icon" part="dismiss" type="button" title=${texts.close} aria-label=${texts.close}
    @click=${onForgive}>${icons.cross}</button>`;
  return html`
    ${
      status
        ? html`<div class="notice ${status.kind}" part="notice ${status.kind}">
            <slot name=${status.kind}>${status.text}</slot>
            ${status.canRetry ? html`<button class="plain" part="retry" type="button" @click=${onRetry}>${texts.retry}</button>` : nothing}
          </div>`
        : nothing
    }
    ${
      failure
        ? html`<div class="notice trouble" part="notice failure">
            <span>${failureFor(failure, texts)}</span>${dismiss}</div>`
        : nothing
    }
    ${
      removed
        ? html`<div class="notice" part="notice removed">
            <span>${texts.removed} <bdi>${shortened(titleOf(removed), 60)}</bdi></span>
            <button class="plain" part="undo" type="button" @click=${onUndo}>${texts.undo}</button></div>`
        : nothing
    }
    ${showsBlocked ? html`<div class="notice" part="notice blocked"><span>${texts.notifyBlocked}</span>${dismiss}</div>` : nothing}`;
}

/** Until the list has been loaded once. */
function waiting({ status, locale: { texts }, onRetry }: Panel) {
  if (!status) return nothing;
  if (status.kind === "loading")
    return html`<div class="loading" part="loading" role="status"><slot name="loading"><span class="sr">${status.text}</span>
      ${[0, 1, 2].map(() => html`<div class="ghost"><i></i><i></i></div>`)}</slot></div>`;
  return html`
    <div class="empty" part="empty ${status.kind}" role="status">
      ${icons.bell}
      <slot name=${status.kind}><p>${status.text}</p></slot>
      ${status.canRetry ? html`<button class="button" part="retry" type="button" @click=${onRetry}>${texts.retry}</button>` : nothing}
    </div>`;
}

function list(given: Panel) {
  const { locale, filter, rows, drawn, current, isNew, isFresh, isExpanded, isOwn, clockOff } = given;
  const { texts } = locale;
  if (rows.length === 0)
    return html`<div class="empty" part="empty"><slot name="empty">${icons.bell}<p>${texts[emptyWords[filter]]}</p></slot></div>`;
  return html`
    <ul part="list" role="list" aria-label=${texts[filters[filter]]} @focusin=${given.onFocus}>
      ${repeat(
        rows.slice(0, drawn),
        ({ id }) => id,
        ({ id, item, group, isMember }, index) => {
          const items = group ?? [item];
          const own = {
            item,
            locale,
            index,
            count: rows.length,
            isNew: items.some(isNew),
            isFresh: items.some(isFresh),
            isCurrent: index === current,
            isExpanded: isExpanded(id),
            isOwn: isOwn(item),
            isMember,
          };
          // Of a thousand rows only those that have changed are made again.
          return guard(
            [...Object.values(own), ...items, locale.ago(Date.parse(item.created_at), given.now)],
            () => (group ? groupRow(id, group, { ...given, ...own }) : row({ ...given, ...own })),
          );
        },
      )}
    </ul>
    ${drawn < rows.length ? html`<div class="end"></div>` : nothing}
    ${
      clockOff
        ? html`<p class="clock" part="clock">${texts.clock.replace("{time}", locale.span(Math.abs(clockOff)))}</p>`
        : nothing
    }`;
}
