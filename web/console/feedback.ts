import { html, nothing, type TemplateResult } from "lit";
import { errorBox } from "./error-box.ts";
import { fullTime, timeOf } from "./format.ts";
import { isAway, type Loop } from "./part.ts";

type Shown = TemplateResult | typeof nothing;

/** Loading, slow or failed; nothing once the data is there. */
export function loadState(loop: Loop): Shown {
  if (isAway(loop.error)) return nothing;
  if (loop.error) return errorBox(loop.error, loop.again);
  if (!loop.isFirst && !loop.isSlow) return nothing;
  return html`<p class="soft" role="status">${loop.isSlow ? slow : "Loading…"}</p>`;
}

export const slow = "Still loading…";

/** An empty list: a sentence, and what to do next. */
export const empty = (sentence: unknown, todo?: unknown): TemplateResult => html`<div class="empty">
  <p class="big">${sentence}</p>
  ${todo ? html`<p>${todo}</p>` : nothing}
</div>`;

export const getStarted = html`<a href="#/send">Send a notification</a>, or <a href="#/simulator">start the simulator</a>.`;

/** Terms and their values; a term without a value is left out. */
export function facts(all: Array<[term: string, fact: unknown]>): TemplateResult {
  const known = all.filter(([, fact]) => fact !== undefined && fact !== "");
  return html`<dl class="facts">${known.map(([term, fact]) => html`<dt>${term}</dt><dd>${fact}</dd>`)}</dl>`;
}

/** Closes the open item, or leads back to the list where only one of them fits. */
export const backLink = (address: string, text: string): TemplateResult =>
  html`<p class="back">
    <a href=${address}>
      <span class="beside-only">Close</span>
      <span class="alone-only"><span aria-hidden="true">←</span> ${text}</span>
    </a>
  </p>`;

/** A time, with the full date as its tooltip. `isRough`: without seconds when it is not today. */
export function moment(at: string | number, isRough = false): TemplateResult {
  const iso = new Date(at).toISOString();
  return html`<time datetime=${iso} title=${fullTime(iso)}>${timeOf(iso, isRough)}</time>`;
}
