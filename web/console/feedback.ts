import { html, nothing, type TemplateResult } from "lit";
import { errorBox } from "./error-box.ts";
import { fullTime, timeOf } from "./format.ts";
import { isAway, type Loop } from "./part.ts";

type Shown = TemplateResult | typeof nothing;

/** What is to be said while there is nothing to show yet, or not the newest. */
export function loadState(loop: Loop): Shown {
  if (isAway(loop.error)) return nothing;
  if (loop.error) return errorBox(loop.error, loop.again);
  if (!loop.isFirst && !loop.isSlow) return nothing;
  return html`<p class="soft" role="status">${loop.isSlow ? "It takes longer than it should…" : "Loading…"}</p>`;
}

/** Where nothing is yet: that it is so, and what can be done about it. */
export const empty = (says: unknown, todo?: unknown): TemplateResult => html`<div class="empty">
  <p class="big">${says}</p>
  ${todo ? html`<p>${todo}</p>` : nothing}
</div>`;

export const getStarted = html`<a href="#/send">Send a first one</a>, or <a href="#/simulator">start the simulator</a>.`;

/** Terms and what they are; what there is not is left out. */
export function facts(all: Array<[term: string, fact: unknown]>): TemplateResult {
  const known = all.filter(([, fact]) => fact !== undefined && fact !== "");
  return html`<dl class="facts">${known.map(([term, fact]) => html`<dt>${term}</dt><dd>${fact}</dd>`)}</dl>`;
}

/** The way from what is open back to its list, which stands beside it where there is room. */
export const backLink = (address: string, text: string): TemplateResult =>
  html`<p class="back">
    <a href=${address}>
      <span class="beside-only">Close</span>
      <span class="alone-only"><span aria-hidden="true">←</span> ${text}</span>
    </a>
  </p>`;

/** A time as it is read, and all of it for who points at it. `isRough`: of another day without its seconds. */
export function moment(at: string | number, isRough = false): TemplateResult {
  const iso = new Date(at).toISOString();
  return html`<time datetime=${iso} title=${fullTime(iso)}>${timeOf(iso, isRough)}</time>`;
}
