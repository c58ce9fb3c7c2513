import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask } from "../api.ts";
import { facts, loadState } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { mail } from "../parts/mail.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import type { DeliveryMessage } from "../wire.ts";

/** A delivery's address, message and data. */
class MessageView extends Part {
  static override properties = { delivery: { attribute: false } };
  /** Its id. */
  declare delivery: string;
  #found: DeliveryMessage | undefined;
  #loop = new Loop(this, async (signal) => {
    const path = `/v1/deliveries/${encodeURIComponent(this.delivery)}/message`;
    this.#found = await ask<DeliveryMessage>("GET", path, { signal }).catch((error) => {
      if (error instanceof BelfryClientError && error.status === 404) return undefined;
      throw error;
    });
    return undefined;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("delivery") || !this.hasUpdated) return;
    this.#found = undefined;
    this.#loop.restart();
  }

  override render(): TemplateResult {
    const { isFirst, error } = this.#loop;
    if (isFirst || error) return html`${loadState(this.#loop)}`;
    if (!this.#found) return html`<p class="soft">Its user was erased, and the message with it.</p>`;
    const { address, target_id, data, email, sms, webhook, problem } = this.#found;
    return html`
      ${facts([
        ["Address", address ? html`<bdi>${address}</bdi>` : "none in the user's profile"],
        ["Target", target_id && html`<code>${target_id}</code>`],
      ])}
      ${problem ? html`<p class="wrong">The message cannot be rendered: ${problem}</p>` : nothing}
      ${email ? mail(email, address) : nothing}
      ${sms ? smsBubble(sms.text, sms.segments) : nothing}
      ${webhook ? json("The webhook's body", webhook) : nothing}
      ${data ? json("Data", data) : nothing}
      <p class="soft">Rendered with today's templates and the address in today's profile.</p>`;
  }
}

const json = (name: string, value: object): TemplateResult => html`<h4>${name}</h4>
  <pre class="text" tabindex="0" aria-label=${name}>${JSON.stringify(value, null, 2)}</pre>`;

customElements.define("bf-delivery-message", MessageView);
