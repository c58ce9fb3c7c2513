import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { stateLabel } from "../icons.ts";
import { Loop, Part } from "../part.ts";
import "../parts/inbox.ts";
import type { Delivery, DigestList } from "../../../src/client/wire.ts";
import { errorBox } from "../error-box.ts";
import { backLink, loadState, moment } from "../feedback.ts";
import { channelName, suppressionText } from "../labels.ts";
import { addressOf } from "../route.ts";
import type { DeliveryPage, Suppression, SuppressionPage } from "../wire.ts";
import "./erase.ts";
import "./profile.ts";

const againMs = 3_000;

/** One user: inbox, profile, suppressed addresses and deliveries. */
class UserView extends Part {
  static override properties = { user: { attribute: false }, back: { attribute: false } };
  declare user: string;
  /** The address of the list. */
  declare back: string;
  #suppressions: Suppression[] = [];
  #deliveries: Delivery[] = [];
  #digests: Delivery[] = [];
  #error: unknown;
  #loop = new Loop(this, (signal) => this.#look(signal));

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("user") || !this.hasUpdated) return;
    this.#suppressions = [];
    this.#deliveries = [];
    this.#digests = [];
    this.#error = undefined;
    this.#loop.restart();
  }

  override firstUpdated(): void {
    this.querySelector<HTMLElement>("h2")?.focus({ preventScroll: true });
  }

  async #look(signal: AbortSignal): Promise<number> {
    const query = { user_id: this.user, limit: 10 };
    const [suppressions, deliveries, digests] = await Promise.all([
      ask<SuppressionPage>("GET", "/v1/suppressions", { query, signal }),
      ask<DeliveryPage>("GET", "/v1/deliveries", { query, signal }),
      ask<DigestList>("GET", "/v1/digests", { query, signal }),
    ]);
    this.#suppressions = suppressions.data;
    this.#deliveries = deliveries.data;
    this.#digests = digests.data;
    return againMs;
  }

  #lift = ({ user_id, channel }: Suppression): Promise<void> =>
    this.#act("DELETE", `/v1/suppressions/${encodeURIComponent(user_id)}/${channel}`);

  async #act(method: "DELETE" | "POST", path: string): Promise<void> {
    this.#error = undefined;
    try {
      await ask(method, path);
    } catch (error) {
      this.#error = error;
    }
    this.#loop.again();
    this.requestUpdate();
  }

  override render(): TemplateResult {
    return html`<section class="detail" aria-labelledby="user-title">
      ${backLink(this.back, "All users")}
      <h2 id="user-title" tabindex="-1"><bdi>${this.user}</bdi></h2>
      <div class="user-parts">
        <bf-inbox .user=${this.user}></bf-inbox>
        <div>
          <h3>Profile</h3>
          <bf-profile .user=${this.user}></bf-profile>
          ${loadState(this.#loop)}
          ${this.#loop.isFirst ? nothing : [this.#suppressed(), this.#gathered(), this.#sent()]}
          <bf-erase .user=${this.user}></bf-erase>
        </div>
      </div>
    </section>`;
  }

  #suppressed(): TemplateResult {
    const none = html`<p class="soft">None.</p>`;
    return html`<h3>Suppressed addresses</h3>
      ${this.#error ? errorBox(this.#error) : nothing}
      ${this.#suppressions.length === 0 ? none : nothing}
      <ul class="plain">${this.#suppressions.map((one) => this.#suppression(one))}</ul>`;
  }

  #suppression(one: Suppression): TemplateResult {
    return html`<li class="suppression">
      <span>
        <strong>${channelName(one.channel)}</strong> <bdi>${one.address}</bdi>:
        ${suppressionText[one.reason] ?? one.reason} <span class="soft">since ${moment(one.at)}</span>
      </span>
      <button type="button" @click=${() => this.#lift(one)}>Remove suppression</button>
    </li>`;
  }

  #gathered(): TemplateResult | typeof nothing {
    if (this.#digests.length === 0) return nothing;
    const release = (id: string) => this.#act("POST", `/v1/digests/${id}/release`);
    return html`<h3>Open digests</h3>
      <ul class="plain">${this.#digests.map(
        ({ id, channel, digest, due }) => html`<li class="suppression">
          <span>
            <strong>${channelName(channel)}</strong> <bdi>${digest?.scope} ${digest?.by ?? nothing}</bdi>:
            ${digest?.count} gathered${due === undefined ? nothing : html`, <span class="soft">sent ${moment(due)}</span>`}
          </span>
          <button type="button" @click=${() => release(id)}>Send now</button>
        </li>`,
      )}</ul>`;
  }

  #sent(): TemplateResult {
    const user_id = this.user;
    if (this.#deliveries.length === 0)
      return html`<h3>Deliveries</h3><p class="soft">Nothing has been sent to this user.</p>`;
    return html`<h3>Deliveries</h3>
      <ul class="plain lines">
        ${this.#deliveries.map(
          ({ id, status, type, channel, created_at }) => html`<li>
            <a href=${addressOf("deliveries", id, { user_id })}>
              ${stateLabel(status)} <span>${type}</span>
              <span class="soft">${channelName(channel)}, ${moment(created_at)}</span>
            </a>
          </li>`,
        )}
      </ul>
      <p><a href=${addressOf("deliveries", undefined, { user_id })}>All deliveries to this user</a></p>`;
  }
}

customElements.define("bf-user", UserView);
