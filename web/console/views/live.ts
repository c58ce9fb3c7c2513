import { html, nothing, type TemplateResult } from "lit";
import { ask, serverNow } from "../api.ts";
import { empty, getStarted, loadState } from "../feedback.ts";
import { count, duration, plural, timeOf } from "../format.ts";
import { stateMark } from "../icons.ts";
import { channelName, healthText } from "../labels.ts";
import { isAway, Loop, Part } from "../part.ts";
import { providerProblem } from "../parts/provider-health.ts";
import { addressOf } from "../route.ts";
import type { Ledger, LedgerLine, ProviderHealth, Stats } from "../wire.ts";
import { plots } from "./live-plots.ts";

const ledgerMs = 15_000;
const hourMs = 60 * 60_000;
/** A ledger counts deliveries: spend at most 1/20 of the database's time on it. */
const patience = 20;

/** The state of the service: a summary, rates, outcomes, waiting deliveries, providers and the ledger. */
class Live extends Part {
  #stats: Stats | undefined;
  #statsAt = 0;
  #day: Ledger | undefined;
  #hour: Ledger | undefined;
  #loop = new Loop(this, async (signal) => {
    this.#stats = await ask<Stats>("GET", "/v1/stats", { signal });
    this.#statsAt = Date.now();
    return this.#stats.interval_seconds * 1_000;
  });
  #dayLoop = this.#ledgerLoop(undefined, (ledger) => {
    this.#day = ledger;
  });
  #hourLoop = this.#ledgerLoop(hourMs, (ledger) => {
    this.#hour = ledger;
  });

  #ledgerLoop(span: number | undefined, keep: (ledger: Ledger) => void): Loop {
    return new Loop(this, async (signal) => {
      const begun = performance.now();
      const query = span === undefined ? {} : { from: Math.floor(serverNow() - span) };
      keep(await ask<Ledger>("GET", "/v1/ledger", { query, signal }));
      return Math.max(ledgerMs, (performance.now() - begun) * patience);
    });
  }

  override render(): TemplateResult {
    const stats = this.#stats;
    const isOld = stats !== undefined && (this.#loop.error !== undefined || this.#loop.isSlow);
    return html`<div class=${isOld ? "live is-old" : "live"}>
      <h1>Live</h1>
      ${loadState(this.#loop)}
      ${isOld ? html`<p class="big" role="status">Old: this is the state of ${timeOf(this.#statsAt)}.</p>` : nothing}
      ${
        stats
          ? [
              verdicts(stats, ok(this.#hourLoop, this.#hour), ok(this.#dayLoop, this.#day), isOld),
              plots(stats),
            ]
          : nothing
      }
      <div class="live-tables">
        <section><h2>Providers</h2>${stats ? providers(stats.providers) : nothing}</section>
        <section>
          <h2>Ledger</h2>
          ${this.#loop.error ? nothing : loadState(this.#dayLoop)}
          ${this.#day ? ledger(this.#day) : nothing}
        </section>
      </div>
      <p class="soft">
        The plots and the providers' states come from the memory of the process that answers here: they start again with
        it, and other processes have their own. Waiting deliveries, the last hour and the ledger count for all processes.
        The last hour counts deliveries by the time they were created.
      </p>
    </div>`;
  }
}

/** A ledger that failed to load does not count. While the server is away the whole page is marked as old. */
const ok = (loop: Loop, ledger: Ledger | undefined): Ledger | undefined =>
  loop.error !== undefined && !isAway(loop.error) ? undefined : ledger;

/** One sentence above the plots: whether everything works. Old figures get no mark. */
function verdicts(
  { samples, providers, overdue }: Stats,
  hour: Ledger | undefined,
  day: Ledger | undefined,
  isOld: boolean,
): TemplateResult {
  const latest = samples.findLast((one) => one.pending !== undefined);
  const failing = providers.filter(({ state }) => state !== "ok").map(({ name }) => name);
  const stuck = Object.values(overdue).reduce((sum, one) => sum + one, 0);
  const isIdle = hour?.total.accepted === 0 && samples.every(({ accepted, sent }) => accepted + sent === 0);
  const verdict = (mark: string, text: unknown) =>
    html`<li>${stateMark(isOld ? "canceled" : mark)}<span>${text}</span></li>`;
  return html`<ul class="plain verdicts">
      ${
        providers.length > 0
          ? failing.length === 0
            ? verdict("delivered", "No provider is failing")
            : verdict("failed", `Failing: ${failing.join(", ")}`)
          : nothing
      }
      ${stuck > 0 ? verdict("failed", stuckText(stuck)) : nothing}
      ${hour ? lastHour(hour, samples, verdict) : nothing}
      ${latest ? waiting(latest.pending ?? 0, latest.oldest_age_seconds ?? 0, verdict) : nothing}
      ${
        day
          ? day.balanced
            ? verdict("delivered", "The ledger balances")
            : verdict("failed", "The ledger does not balance")
          : nothing
      }
    </ul>
    ${isIdle ? empty("Nothing was sent in the last hour.", getStarted) : nothing}`;
}

/** A bug: every send has a deadline. */
const stuckText = (amount: number): TemplateResult => html`<a
    href=${addressOf("deliveries", undefined, { status: "sending" })}
    >${plural(amount, "delivery is", "deliveries are")} stuck</a
  >: sending takes longer than it may. Restart this process, and report its log as a bug`;

type Verdict = (mark: string, text: unknown) => TemplateResult;

/** Each number leads to the list of what it counts. */
function lastHour({ from, total }: Ledger, samples: Stats["samples"], verdict: Verdict): TemplateResult {
  const bad = (["failed", "uncertain", "skipped"] as const).filter((status) => total[status] > 0);
  if (bad.length > 0) {
    const links = bad.map((status, at) => {
      const list = addressOf("deliveries", undefined, { status, from });
      return html`${at ? ", " : ""}<a href=${list}>${count(total[status])} ${status}</a>`;
    });
    const mark = bad.find((status) => status !== "skipped") ?? "skipped";
    return verdict(mark, html`${links} in the last hour`);
  }
  // Deliveries from before may have failed just now.
  const failed = samples.reduce((sum, one) => sum + one.failed, 0);
  if (failed > 0) {
    const list = addressOf("deliveries", undefined, { status: "failed" });
    return verdict(
      "failed",
      html`<a href=${list}>${count(failed)} older ones failed</a> in the last 15 minutes`,
    );
  }
  return verdict("delivered", "Nothing failed in the last hour");
}

function waiting(pending: number, age: number, verdict: Verdict): TemplateResult {
  if (pending === 0) return verdict("delivered", "Nothing is waiting");
  const list = addressOf("deliveries", undefined, { status: "pending,sending" });
  const due = age > 0 ? `, the oldest due for ${duration(age * 1_000)}` : "";
  return verdict(
    "pending",
    html`<a href=${list}>${plural(pending, "delivery waits", "deliveries wait")}</a>${due}`,
  );
}

function providers(all: ProviderHealth[]): TemplateResult {
  if (all.length === 0)
    return html`<p class="soft">
      This process does not send (its ROLES have no worker), so it does not know the providers' states.
    </p>`;
  return html`<ul class="plain lines">${all.map(provider)}</ul>`;
}

function provider(one: ProviderHealth): TemplateResult {
  const { channel, name, state } = one;
  if (state !== "ok") return html`<li class="provider">${providerProblem(one)}</li>`;
  return html`<li class="provider">
    <p>
      ${stateMark("sent")} <strong>${name}</strong>
      <span class="soft">${name === channel ? nothing : channelName(channel)} ${healthText.ok}</span>
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
  "held",
  "digested",
  "recalled",
] as const;

function ledger({ from, balanced, total, channels }: Ledger): TemplateResult {
  const line = (name: string, one: LedgerLine) => html`<tr>
    <th scope="row">${name}</th>
    ${columns.map((column) => html`<td class=${one[column] === 0 ? "zero" : ""}>${count(one[column])}</td>`)}
  </tr>`;
  return html`<p class="verdict">
      ${stateMark(balanced ? "delivered" : "failed")} ${balanced ? balances : unbalanced}
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

const balances = "The ledger balances: every accepted delivery is accounted for.";
const unbalanced = html`<strong>The ledger does not balance:</strong> the stored deliveries are not as many as were
  accepted. See docs/operating.md.`;

customElements.define("bf-live", Live);
