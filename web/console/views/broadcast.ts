import { html, nothing, type TemplateResult } from "lit";
import type { BroadcastDetails } from "../../../src/client/wire.ts";
import { ask, serverNow } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { backLink, facts, loadState, moment } from "../feedback.ts";
import { count, duration } from "../format.ts";
import { Loop, Part } from "../part.ts";
import { addressOf } from "../route.ts";
import { audienceName, isOpen, statusName } from "./broadcast-words.ts";

const againMs = 1_000;
type Change = "pause" | "resume" | "cancel";

/** One broadcast: its progress, and how to stop it. */
class BroadcastView extends Part {
  static override properties = { broadcast: { attribute: false } };
  /** Its id. */
  declare broadcast: string;
  #found: BroadcastDetails | undefined;
  #error: unknown;
  #isBusy = false;
  #loop = new Loop(this, async (signal) => {
    this.#found = await ask<BroadcastDetails>("GET", `/v1/broadcasts/${this.broadcast}`, { signal });
    return isOpen(this.#found) ? againMs : undefined;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("broadcast") || !this.hasUpdated) return;
    this.#found = undefined;
    this.#error = undefined;
    this.#loop.restart();
  }

  #change = async (change: Change): Promise<void> => {
    this.#isBusy = true;
    this.#error = undefined;
    this.requestUpdate();
    try {
      this.#found = await ask<BroadcastDetails>("POST", `/v1/broadcasts/${this.broadcast}/${change}`, {
        body: {},
      });
      this.dispatchEvent(new Event("changed"));
    } catch (error) {
      this.#error = error;
    }
    this.#isBusy = false;
    this.#loop.again();
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<section class="detail" aria-labelledby="broadcast-title">
      ${backLink("#/broadcasts", "All broadcasts")}
      <h2 id="broadcast-title">${this.#found ? audienceName(this.#found.to) : "Broadcast"}</h2>
      ${this.#loop.error || !this.#found ? loadState(this.#loop) : nothing}
      ${this.#found ? this.#details(this.#found) : nothing}
      ${errorBox(this.#error)}
    </section>`;
  }

  #details(found: BroadcastDetails): TemplateResult {
    const { id, type, notified, failed, total, message, notification, actor_id, key, created_at } = found;
    const { title, body } = notification as { title?: string; body?: string };
    return html`
      ${this.#progress(found)}
      ${message ? html`<p class="hint warn">${message}</p>` : nothing}
      ${this.#actions(found)}
      ${facts([
        ["Notified", count(notified)],
        ["Not notified", failed > 0 ? count(failed) : undefined],
        ["Users", total === undefined ? "not counted" : count(total)],
        ["Left out", actor_id && html`<bdi>${actor_id}</bdi>`],
        ["Type", html`<a href=${addressOf("types", type)}>${type}</a>`],
        ["Title", title && html`<bdi>${title}</bdi>`],
        ["Body", body && html`<bdi>${body}</bdi>`],
        ["Key", key && html`<code>${key}</code>`],
        ["Begun", moment(created_at)],
        ["Id", html`<code>${id}</code>`],
        [
          "Deliveries",
          html`<a href=${addressOf("deliveries", undefined, { type, from: created_at })}>of this type since then</a>`,
        ],
      ])}`;
  }

  #progress(found: BroadcastDetails): TemplateResult {
    const { notified, failed, total, rate, ends_at } = found;
    const left = ends_at === undefined ? undefined : Date.parse(ends_at) - serverNow();
    const speed = [
      ...(rate ? [`${count(rate)} a second`] : []),
      ...(left !== undefined && left > 0 ? [`${duration(Math.ceil(left / 1_000) * 1_000)} left`] : []),
    ];
    return html`
      ${total ? html`<progress max=${total} .value=${notified + failed} aria-label="Notified"></progress>` : nothing}
      <p class="big" role="status">
        ${statusName(found)}: ${count(notified)}${total === undefined ? "" : ` of ${count(total)}`} notified${speed.length > 0 ? ` (${speed.join(", ")})` : ""}
      </p>`;
  }

  #actions({ status, stopping }: BroadcastDetails): TemplateResult | typeof nothing {
    const isRunning = status === "scheduled" || status === "running";
    const changes: Array<[Change, string]> =
      stopping === "cancel"
        ? []
        : [
            ...(isRunning && stopping === undefined ? [["pause", "Pause"] as [Change, string]] : []),
            ...(status === "paused" ? [["resume", "Resume"] as [Change, string]] : []),
            ...(isRunning || status === "paused" ? [["cancel", "Cancel"] as [Change, string]] : []),
          ];
    if (changes.length === 0) return nothing;
    return html`<p class="actions">
      ${changes.map(
        ([change, name]) =>
          html`<button type="button" ?disabled=${this.#isBusy} @click=${() => this.#change(change)}>${name}</button>`,
      )}
    </p>`;
  }
}

customElements.define("bf-broadcast", BroadcastView);
