import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { empty, getStarted, loadState } from "../feedback.ts";
import { count, duration, plural, timeOf } from "../format.ts";
import { stateMark } from "../icons.ts";
import { channelName, healthText } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import type { Ledger, LedgerLine, ProviderHealth, Stats } from "../wire.ts";
import { plots } from "./live-plots.ts";

const ledgerMs = 15_000;
/** Each counts a day's deliveries: at most one part in so many of the database's time. */
const patience = 20;

/** What goes on in the service: whether all is well, rates, outcomes, waiting, health, and the books. */
class Live extends Part {
  #stats: Stats | undefined;
  #ledger: Ledger | undefined;
  #loop = new Loop(this, async (signal) => {
    this.#stats = await ask<Stats>("GET", "/v1/stats", { signal });
    return this.#stats.interval_seconds * 1_000;
  });
  #books = new Loop(this, async (signal) => {
    const begun = performance.now();
    this.#ledger = await ask<Ledger>("GET", "/v1/ledger", { signal });
    return Math.max(ledgerMs, (performance.now() - begun) * patience);
  });

  override render(): TemplateResult {
    const stats = this.#stats;
    return html`<div class="live">
      <h1>Live</h1>
      ${loadState(this.#loop)}
      ${stats ? [verdicts(stats, this.#ledger), plots(stats)] : nothing}
      <div class="live-tables">
        <section><h2>Providers</h2>${stats ? providers(stats.providers) : nothing}</section>
        <section>
          <h2>Ledger</h2>
          ${this.#loop.error ? nothing : loadState(this.#books)}
          ${this.#ledger ? ledger(this.#ledger) : nothing}
        </section>
      </div>
      <p class="soft">
        The plots are what the process that answers here remembers of itself: a restart begins anew, and other instances
        have their own. What waits is all instances'.
      </p>
    </div>`;
  }
}

/** Is all well? The answers, before any plot. */
function verdicts({ samples, providers }: Stats, ledger: Ledger | undefined): TemplateResult {
  const { pending, oldest_age_seconds: age = 0 } = samples.findLast((one) => one.pending !== undefined) ?? {};
  const ailing = providers.filter(({ state }) => state !== "ok").map(({ name }) => name);
  const isIdle = samples.every(({ accepted, sent }) => accepted + sent === 0);
  const waiting = pending
    ? `${plural(pending, "delivery waits", "deliveries wait")}, the oldest for ${duration(age * 1_000)}`
    : "Nothing waits";
  return html`<ul class="plain verdicts">
      ${
        providers.length > 0
          ? verdict(ailing.length === 0, "All providers are well", `Ailing: ${ailing.join(", ")}`)
          : nothing
      }
      ${pending === undefined ? nothing : html`<li>${stateMark(pending ? "pending" : "delivered")}${waiting}</li>`}
      ${ledger ? verdict(ledger.balanced, "The ledger balances", "The ledger does not balance") : nothing}
    </ul>
    ${isIdle ? empty("Nothing has been sent for a while.", getStarted) : nothing}`;
}

const verdict = (isWell: boolean, well: string, ill: string): TemplateResult =>
  html`<li>${stateMark(isWell ? "delivered" : "failed")}${isWell ? well : ill}</li>`;

function providers(all: ProviderHealth[]): TemplateResult {
  if (all.length === 0)
    return html`<p class="soft">
      This process sends nothing, and cannot say what is sent: its ROLES have no worker. The ledger counts for all.
    </p>`;
  return html`<ul class="plain lines">${all.map(provider)}</ul>`;
}

function provider({ channel, name, state, code, since, until }: ProviderHealth): TemplateResult {
  const isWell = state === "ok";
  const says = healthText[state] ?? state;
  return html`<li class="provider">
    <span>
      <span class="state">${stateMark(isWell ? "sent" : "failed")}<strong>${name}</strong></span>
      ${name === channel ? nothing : html`<span class="soft">${channelName(channel)}</span>`}
    </span>
    ${
      isWell
        ? html`<span class="soft">${says}</span>`
        : html`<p>
            ${says} ${code ? html`<code>${code}</code>` : nothing}${since ? `, since ${timeOf(since)}` : nothing}${
              until ? `, asked again at ${timeOf(until)}` : nothing
            }
          </p>`
    }
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
