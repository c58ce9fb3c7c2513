import { html, nothing, type TemplateResult } from "lit";
import { fullTime, timeOf } from "./format.ts";
import type { Loop } from "./part.ts";
import { troubleBox } from "./trouble.ts";

type Shown = TemplateResult | typeof nothing;

/** What is to be said while there is nothing to show yet, or not the newest. */
export function standingOf(loop: Loop): Shown {
  if (loop.error) return troubleBox(loop.error, loop.again);
  if (!loop.isFirst) return nothing;
  return html`<p class="soft" role="status">${loop.isSlow ? "It takes longer than it should…" : "Loading…"}</p>`;
}

/** Terms and what they are; what there is not is left out. */
export function facts(all: Array<[term: string, fact: unknown]>): TemplateResult {
  const known = all.filter(([, fact]) => fact !== undefined && fact !== "");
  return html`<dl class="facts">${known.map(([term, fact]) => html`<dt>${term}</dt><dd>${fact}</dd>`)}</dl>`;
}

/** The way from what is open back to its list; there is one where the two do not fit beside each other. */
export const wayBack = (address: string, text: string): TemplateResult =>
  html`<p class="detail-head"><a href=${address}><span aria-hidden="true">←</span> ${text}</a></p>`;

/** A time as it is read, and all of it for who points at it. */
export function moment(at: string | number): TemplateResult {
  const iso = new Date(at).toISOString();
  return html`<time datetime=${iso} title=${fullTime(iso)}>${timeOf(iso)}</time>`;
}
