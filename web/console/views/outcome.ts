import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import type { Delivery } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { loadState, moment } from "../feedback.ts";
import { stateMark } from "../icons.ts";
import { channelName, channels, isOver, reasonText } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import { due as dueAt } from "../parts/due.ts";
import { mail } from "../parts/mail.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import { addressOf } from "../route.ts";
import type { CapturedMessage, DeliveryPage } from "../wire.ts";

interface Item {
  item: { read: boolean; archived: boolean; updated_at: string };
}

const quickMs = 500;
const calmMs = 1_500;

/** The state of one notification in the inbox and on each channel, as it changes. */
class Outcome extends Part {
  static override properties = {
    user: { attribute: false },
    notification: { attribute: false },
    refusal: { attribute: false },
    alone: { attribute: false },
  };
  declare user: string;
  declare notification: string | undefined;
  declare refusal: string | undefined;
  /** True for a single recipient: then the messages are shown as well. */
  declare alone: boolean;
  #item: Item["item"] | undefined;
  #deliveries: Delivery[] = [];
  #captured = new Map<string, CapturedMessage | undefined>();
  #loop = new Loop(this, (signal) => this.#look(signal));

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("notification") || !this.hasUpdated) return;
    this.#item = undefined;
    this.#deliveries = [];
    this.#loop.restart();
  }

  async #look(signal: AbortSignal): Promise<number | undefined> {
    const { notification, user } = this;
    if (notification === undefined) return undefined;
    const query = { notification_id: notification, limit: 10 };
    const [page, item] = await Promise.all([
      ask<DeliveryPage>("GET", "/v1/deliveries", { query, signal }),
      ask<Item>("GET", `/v1/users/${encodeURIComponent(user)}/inbox/${notification}`, { signal }).catch(
        noSuch,
      ),
    ]);
    this.#deliveries = page.data.sort((one, other) => placeOf(one) - placeOf(other));
    this.#item = item?.item;
    await this.#findCaptured(signal);
    return this.#deliveries.every(({ status }) => isOver(status)) ? calmMs : quickMs;
  }

  async #findCaptured(signal: AbortSignal): Promise<void> {
    for (const { id, provider, status } of this.alone ? this.#deliveries : []) {
      if (provider !== "capture" || !isOver(status) || this.#captured.has(id)) continue;
      // Newer messages may have pushed it out.
      this.#captured.set(
        id,
        await ask<CapturedMessage>("GET", `/v1/captured/${id}`, { signal }).catch(noSuch),
      );
    }
  }

  override render(): TemplateResult {
    const { user, refusal, alone } = this;
    return html`<div class="outcome">
      ${alone ? nothing : html`<p><a href=${addressOf("users", user)}><bdi>${user}</bdi></a></p>`}
      ${
        refusal === undefined
          ? html`<ol class="steps">
              ${this.#item ? inboxStep(this.#item) : nothing} ${this.#deliveries.map(deliveryStep)}
            </ol>`
          : html`<p class="wrong">${stateMark("failed")} ${refusal}</p>`
      }
      ${loadState(this.#loop)}
      ${alone ? this.#deliveries.map(({ id }) => message(this.#captured.get(id))) : nothing}
    </div>`;
  }
}

/** Ids are in no useful order. */
const placeOf = ({ channel }: Delivery): number => channels.indexOf(channel);

function inboxStep({ read, archived, updated_at }: Item["item"]): TemplateResult {
  return html`<li>
    <span>${stateMark(read ? "delivered" : "sent")}inbox</span>
    <strong>${archived ? "archived" : read ? "read" : "unread"}</strong>
    ${read ? html`<span class="soft">${moment(updated_at)}</span>` : nothing}
  </li>`;
}

function deliveryStep({
  id,
  channel,
  status,
  reason,
  detail,
  provider,
  due,
  tries,
}: Delivery): TemplateResult {
  const name = channelName(channel);
  const isWaiting = status === "pending" && tries > 0 && due !== undefined;
  const by =
    provider === "capture"
      ? html`<a href=${addressOf("captured", id)}>captured</a>`
      : provider && html`<span class="soft">via ${provider}</span>`;
  return html`<li>
    <span>${stateMark(status)}${name}</span>
    <strong>${status}</strong>
    <span class="links">
      ${by}
      <a href=${addressOf("deliveries", id)} aria-label=${`attempts by ${name}`}>attempts</a>
      ${isWaiting ? html`<span class="soft">${dueAt(due, "next try")}</span>` : nothing}
    </span>
    ${reason ? html`<p class="soft" dir="auto">${reasonText[reason] ?? reason} ${status === "failed" ? detail : nothing}</p>` : nothing}
  </li>`;
}

function message(captured: CapturedMessage | undefined): TemplateResult | typeof nothing {
  if (!captured) return nothing;
  const { channel, to, text = "" } = captured;
  if (channel === "sms") return smsBubble(text);
  return mail(captured, to);
}

function noSuch(error: unknown): undefined {
  if (error instanceof BelfryClientError && error.status === 404) return undefined;
  throw error;
}

customElements.define("bf-outcome", Outcome);
