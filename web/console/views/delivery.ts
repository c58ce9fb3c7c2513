import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { backLink, facts, loadState, moment } from "../feedback.ts";
import { plural } from "../format.ts";
import { stateLabel } from "../icons.ts";
import { channelName, isOver, isRetryable, reasonText, stateText } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import { timeline } from "../parts/timeline.ts";
import { addressOf } from "../route.ts";
import type { DeliveryRecord } from "../wire.ts";

const watchedMs = 1_000;

/** One delivery, with everything that has been tried. */
class DeliveryView extends Part {
  static override properties = { delivery: { attribute: false }, back: { attribute: false } };
  /** Its id. */
  declare delivery: string;
  /** Where the list is. */
  declare back: string;
  #found: DeliveryRecord | undefined;
  #retryError: unknown;
  #isBusy = false;
  #loop = new Loop(this, async (signal) => {
    this.#found = await ask<DeliveryRecord>("GET", this.#path, { signal });
    this.dispatchEvent(new CustomEvent("changed", { detail: this.#found }));
    return isOver(this.#found.status) ? undefined : watchedMs;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("delivery") || !this.hasUpdated) return;
    this.#found = undefined;
    this.#retryError = undefined;
    this.#loop.restart();
  }

  override firstUpdated(): void {
    // On a phone this covers the list.
    this.querySelector<HTMLElement>("h2")?.focus({ preventScroll: true });
  }

  get #path(): string {
    return `/v1/deliveries/${encodeURIComponent(this.delivery)}`;
  }

  #retry = async (): Promise<void> => {
    this.#isBusy = true;
    this.#retryError = undefined;
    this.requestUpdate();
    try {
      await ask("POST", `${this.#path}/retry`);
    } catch (error) {
      this.#retryError = error;
    }
    this.#isBusy = false;
    this.#loop.again();
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<section class="detail" aria-labelledby="delivery-title">
      ${backLink(this.back, "All deliveries")}
      <h2 id="delivery-title" tabindex="-1">Delivery <code>${this.delivery}</code></h2>
      ${loadState(this.#loop)}
      ${this.#found ? this.#record(this.#found) : nothing}
    </section>`;
  }

  #record(one: DeliveryRecord): TemplateResult {
    const { status, reason, detail } = one;
    const says = reason ? (reasonText[reason] ?? reason) : stateText[status];
    return html`
      <p class="verdict" role="status">${stateLabel(status)} <span>${says}</span></p>
      ${detail ? html`<p class="soft" dir="auto">${detail}</p>` : nothing}
      <p>
        <a href=${addressOf("types", one.type)}>${one.type}</a> by ${channelName(one.channel)} to
        ${userLink(one.user_id)}
      </p>
      ${one.provider === "capture" ? html`<p><a href=${addressOf("captured", one.id)}>The captured message</a></p>` : nothing}
      ${isRetryable(status) ? this.#wayOut() : nothing}
      ${this.#retryError ? errorBox(this.#retryError) : nothing}
      <h3>What was tried</h3>
      ${timeline(one)}
      ${facts([
        ["Notification", notificationLink(one.notification_id)],
        ["Provider's id", one.provider_id && html`<code>${one.provider_id}</code>`],
        [
          "Interrupted",
          one.interruptions ? `${plural(one.interruptions, "worker has", "workers have")} ended with it` : "",
        ],
        ["Forgotten", one.expires_at && moment(one.expires_at)],
      ])}`;
  }

  #wayOut(): TemplateResult {
    return html`<p class="actions">
      <button type="button" class="main" ?disabled=${this.#isBusy} @click=${this.#retry}>Send again</button>
      <span class="soft">under the same id, with all its tries</span>
    </p>`;
  }
}

const userLink = (id: string) =>
  id ? html`<a href=${addressOf("users", id)}><bdi>${id}</bdi></a>` : "somebody who was erased";

const notificationLink = (notification_id: string): TemplateResult =>
  html`<a href=${addressOf("deliveries", undefined, { notification_id })}><code>${notification_id}</code></a>`;

customElements.define("bf-delivery", DeliveryView);
