import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { count, duration, number, timeOf } from "../format.ts";
import { stateMark } from "../icons.ts";
import { Loop, Part } from "../part.ts";
import type { Series } from "../parts/plot.ts";
import "../parts/plot.ts";
import { standingOf } from "../said.ts";
import type { Ledger, LedgerLine, ProviderHealth, Sample, Stats } from "../wire.ts";
import { channelName, healthSays } from "../words.ts";

const ledgerMs = 15_000;

/** What goes on in the service: rates, outcomes, waiting, health, and whether the books balance. */
class Live extends Part {
  #stats: Stats | undefined;
  #ledger: Ledger | undefined;
  #loop = new Loop(this, async (signal) => {
    this.#stats = await ask<Stats>("GET", "/v1/stats", { signal });
    return this.#stats.interval_seconds * 1_000;
  });
  #books = new Loop(this, async (signal) => {
    this.#ledger = await ask<Ledger>("GET", "/v1/ledger", { signal });
    return ledgerMs;
  });

  override render(): TemplateResult {
    return html`<div class="live">
      <h1>Live</h1>
      <p class="soft">
        The last 15 minutes of the process that answers here, as it remembers them itself: a restart begins anew, and
        other instances have their own. What waits is all instances'.
      </p>
      ${standingOf(this.#loop)}
      ${this.#stats ? plots(this.#stats) : nothing}
      <div class="live-tables">
        <section><h2>Providers</h2>${this.#stats ? providers(this.#stats.providers) : nothing}</section>
        <section>
          <h2>Ledger</h2>
          ${standingOf(this.#books)}
          ${this.#ledger ? ledger(this.#ledger) : nothing}
        </section>
      </div>
    </div>`;
  }
}

function plots({ samples, interval_seconds: interval }: Stats): TemplateResult {
  const times = samples.map(({ at }) => Date.parse(at) / 1_000);
  const of = (name: keyof Sample, ink: string, label: string = name): Series => ({
    name: label,
    ink,
    values: samples.map((sample) => (sample[name] === undefined ? null : Number(sample[name]))),
  });
  // A sample may have come late: it is for the time since the one before.
  const lengths = times.map((time, at) => (at > 0 ? time - (times[at - 1] as number) : interval) || interval);
  const rate = (name: keyof Sample, ink: string): Series => ({
    name,
    ink,
    values: samples.map((sample, at) => Number(sample[name]) / (lengths[at] as number)),
  });
  const panel = (name: string, unit: (value: number) => string, ...series: Series[]) =>
    html`<bf-plot .name=${name} .unit=${unit} .times=${times} .series=${series}></bf-plot>`;
  const perSecond = (value: number) => `${number(value)}/s`;
  const ms = (value: number) => `${number(value)} ms`;
  const seconds = (value: number) => duration(value * 1_000);
  const [p50, p99] = [of("latency_ms_p50", "verdigris", "p50"), of("latency_ms_p99", "bronze", "p99")];
  const others = [
    rate("failed", "bad"),
    rate("skipped", "ink-soft"),
    rate("uncertain", "wait"),
    rate("delivered", "good"),
  ];
  return html`<div class="plots">
    ${panel("Throughput", perSecond, rate("accepted", "bronze"), rate("sent", "verdigris"))}
    ${panel("Other outcomes", perSecond, ...others)}
    ${panel("Time to answer a write", ms, p50, p99)}
    ${panel("Waiting deliveries", count, of("pending", "bronze", "waiting"))}
    ${panel("Oldest waiting, since due", seconds, of("oldest_age_seconds", "wait", "oldest"))}
    ${panel("Devices connected", count, of("connections", "verdigris"))}
  </div>`;
}

function providers(all: ProviderHealth[]): TemplateResult {
  if (all.length === 0)
    return html`<p class="soft">This process sends nothing: its ROLES have no worker.</p>`;
  return html`<ul class="plain lines">${all.map(provider)}</ul>`;
}

function provider({ channel, name, state, code, since, until }: ProviderHealth): TemplateResult {
  const isWell = state === "ok";
  return html`<li class="provider">
    <span class=${isWell ? "is-sent" : "is-failed"}>${stateMark(isWell ? "sent" : "failed")}</span>
    <strong>${name}</strong> <span class="soft">${channelName(channel)}</span>
    <p>
      ${healthSays[state] ?? state} ${code ? html`<code>${code}</code>` : nothing}
      ${since && !isWell ? `since ${timeOf(since)}` : nothing} ${until ? `, asked again at ${timeOf(until)}` : nothing}
    </p>
  </li>`;
}

const columns = [
  "accepted",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "canceled",
  "uncertain",
  "pending",
] as const;

function ledger({ from, balanced, total, channels }: Ledger): TemplateResult {
  const line = (name: string, one: LedgerLine) => html`<tr>
    <th scope="row">${name}</th>
    ${columns.map((column) => html`<td class=${one[column] === 0 ? "zero" : ""}>${count(one[column])}</td>`)}
  </tr>`;
  return html`<p class="verdict">
      ${stateMark(balanced ? "delivered" : "failed")} ${balanced ? balances : balancesNot}
      <span class="soft">Since ${timeOf(from)}.</span>
    </p>
    <div class="wide" tabindex="0" role="region" aria-label="The ledger by channel">
      <table class="ledger">
        <thead><tr><td></td>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${Object.entries(channels).map(([channel, one]) => line(channelName(channel), one))}</tbody>
        <tfoot>${line("all", total)}</tfoot>
      </table>
    </div>`;
}

const balances = "The books balance: each accepted delivery is accounted for.";
const balancesNot = html`<strong>The books do not balance.</strong> As many must be stored as were accepted: see
  docs/operating.md.`;

customElements.define("bf-live", Live);
