import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { timeOf } from "../format.ts";
import { stateMark } from "../icons.ts";
import { channelName, healthText } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import type { ProviderHealth, Readiness } from "../wire.ts";
import { due } from "./due.ts";

const againMs = 5_000;

/** A failing provider: since when, its last answer, and what to do. */
export function providerProblem(one: ProviderHealth): TemplateResult {
  const { channel, name, state, code, text, remedy, since, until } = one;
  return html`<p>
      ${stateMark("failed")} <strong>${name}</strong>
      ${name === channel ? nothing : html`<span class="soft">${channelName(channel)}</span>`}
    </p>
    <p>
      ${healthText[state] ?? state}: paused${since ? ` since ${timeOf(since)}` : nothing}${
        until ? html`, ${due(until, "next check at", "next check with the next delivery")}` : nothing
      }.
    </p>
    ${text || code ? html`<blockquote dir="auto">${text || code}</blockquote>` : nothing}
    ${remedy ? html`<p>${remedy}</p>` : nothing}`;
}

/** Warns while a provider of these channels fails. */
class ProviderAlert extends Part {
  static override properties = { channels: { attribute: false }, note: { attribute: false } };
  /** Absent: all of them. */
  declare channels: string[] | undefined;
  /** The consequence for this view. */
  declare note: string | undefined;
  #failing: ProviderHealth[] = [];
  #loop = new Loop(this, async (signal) => {
    const { providers = {} } = await ask<Readiness>("GET", "/readyz", { query: { verbose: "" }, signal });
    this.#failing = Object.entries(providers).flatMap(([channel, all]) =>
      Object.entries(all)
        .filter(([, { state }]) => state !== "ok")
        .map(([name, health]) => ({ channel, name, ...health })),
    );
    return againMs;
  });

  override render(): TemplateResult {
    const shown = this.#failing.filter(({ channel }) => this.channels?.includes(channel) ?? true);
    // Without a current answer there is no claim. Another part of the page shows the error.
    if (this.#loop.error || shown.length === 0) return html``;
    return html`<div class="provider-alert" role="alert">
      ${shown.map((one) => html`<div class="provider">${providerProblem(one)}</div>`)}
      ${this.note ? html`<p>${this.note}</p>` : nothing}
    </div>`;
  }
}

customElements.define("bf-provider-alert", ProviderAlert);
