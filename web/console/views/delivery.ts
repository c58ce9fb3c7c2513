import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { backLink, facts, loadState, moment } from "../feedback.ts";
import { plural } from "../format.ts";
import { stateLabel } from "../icons.ts";
import { channelName, isOver, isRetryable, reasonText, stateText } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import { copyable } from "../parts/copyable.ts";
import "../parts/inbox-item.ts";
import "../parts/provider-health.ts";
import "../parts/recall.ts";
import "../parts/story.ts";
import { timeline } from "../parts/timeline.ts";
import { addressOf } from "../route.ts";
import type { DeliveryRecord } from "../wire.ts";

import "./delivery-message.ts";

const watchedMs = 1_000;

/** One delivery: its state, its message and every attempt. */
class DeliveryView extends Part {
  static override properties = { delivery: { attribute: false }, back: { attribute: false } };
  /** Its id. */
  declare delivery: string;
  /** The address of the list. */
  declare back: string;
  #found: DeliveryRecord | undefined;
  #retryError: unknown;
  #isBusy = false;
  #isStoryOpen = false;
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
    // On a phone this covers the list, so the focus moves here.
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
      <h2 id="delivery-title" tabindex="-1">Delivery ${copyable(this.delivery)}</h2>
      ${loadState(this.#loop)}
      ${this.#found ? this.#record(this.#found) : nothing}
    </section>`;
  }

  #record(one: DeliveryRecord): TemplateResult {
    const { status, reason, detail } = one;
    const text = reason ? (reasonText[reason] ?? reason) : stateText[status];
    return html`
      <p class="verdict" role="status">${stateLabel(status)} <span>${text}</span></p>
      ${detail ? html`<p class="soft" dir="auto">${detail}</p>` : nothing}
      <p>
        <a href=${addressOf("types", one.type)}>${one.type}</a> by ${channelName(one.channel)} to
        ${userLink(one.user_id)}
      </p>
      ${isOver(status) && status !== "failed" ? nothing : html`<bf-provider-alert .channels=${[one.channel]}></bf-provider-alert>`}
      ${one.provider === "capture" ? html`<p><a href=${addressOf("captured", one.id)}>The captured message</a></p>` : nothing}
      ${isRetryable(status) && !one.recalled_at ? this.#wayOut() : nothing}
      ${this.#retryError ? errorBox(this.#retryError) : nothing}
      <h3>Attempts</h3>
      ${timeline(one)}
      ${facts([
        ["Notification", copyable(one.notification_id, notificationLink(one.notification_id))],
        ["User", one.user_id && copyable(one.user_id, userLink(one.user_id))],
        ["Caller's key", one.key && copyable(one.key)],
        ["Taken back", one.recalled_at && moment(one.recalled_at)],
        ["Provider's id", one.provider_id && copyable(one.provider_id)],
        [
          "Interrupted",
          one.interruptions
            ? `${plural(one.interruptions, "worker", "workers")} stopped while sending it`
            : "",
        ],
        ["Deleted on", one.expires_at && moment(one.expires_at)],
      ])}
      ${
        one.user_id
          ? html`<p class="actions">
                <bf-recall .notification=${one.notification_id} .user=${one.user_id} @recalled=${() => this.#loop.again()}></bf-recall>
              </p>
              <details
              @toggle=${({ target }: Event) => {
                this.#isStoryOpen = (target as HTMLDetailsElement).open;
                this.requestUpdate();
              }}
            >
              <summary>Why? The whole story of this notification</summary>
              ${this.#isStoryOpen ? html`<bf-story .notification=${one.notification_id} .user=${one.user_id}></bf-story>` : nothing}
            </details>`
          : nothing
      }
      <h3>Message</h3>
      <bf-delivery-message .delivery=${one.id}></bf-delivery-message>
      ${
        one.user_id
          ? html`<h3>Inbox item</h3>
              <bf-inbox-item .user=${one.user_id} .notification=${one.notification_id}></bf-inbox-item>`
          : nothing
      }`;
  }

  #wayOut(): TemplateResult {
    return html`<p class="actions">
      <button type="button" class="main" ?disabled=${this.#isBusy} @click=${this.#retry}>Send again</button>
      <span class="soft">Keeps its id and gets all its retries again.</span>
    </p>`;
  }
}

const userLink = (id: string) =>
  id ? html`<a href=${addressOf("users", id)}><bdi>${id}</bdi></a>` : "an erased user";

const notificationLink = (notification_id: string): TemplateResult =>
  html`<a href=${addressOf("deliveries", undefined, { notification_id })}><code>${notification_id}</code></a>`;

customElements.define("bf-delivery", DeliveryView);
