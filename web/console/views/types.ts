import { html, nothing, type TemplateResult } from "lit";
import { backLink, facts, loadState } from "../feedback.ts";
import { duration, plural } from "../format.ts";
import { channelName } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import { pickLine } from "../parts/pick.ts";
import { addressOf } from "../route.ts";
import { notificationTypes } from "../types-store.ts";
import type { NotificationType } from "../wire.ts";
import "./preview.ts";

/** The notification types, and what each sends. */
class Types extends Part {
  static override properties = { open: { attribute: false } };
  declare open: string | undefined;
  #types: NotificationType[] = [];
  #loop = new Loop(this, async () => {
    this.#types = await notificationTypes();
    return undefined;
  });

  override render(): TemplateResult {
    const isOpen = this.open !== undefined;
    return html`<div class=${isOpen ? "beside has-open" : "beside"}>
      <div class="list-side">
        <h1>Types</h1>
        <p class="soft">
          Notification types are data: add or replace them in NOTIFICATION_TYPES_FILE.
        </p>
        ${loadState(this.#loop)}
        <ul class="pick">${this.#types.map((type) => this.#line(type))}</ul>
      </div>
      ${isOpen ? this.#type(this.#types.find(({ key }) => key === this.open)) : nothing}
    </div>`;
  }

  #line({ key, description, inbox, channels }: NotificationType): TemplateResult {
    return pickLine({
      address: addressOf("types", key),
      isOpen: key === this.open,
      name: key,
      about: description,
      end: [...(inbox ? ["inbox"] : []), ...channels].map(channelName).join(", ") || "no channel of its own",
    });
  }

  #type(type: NotificationType | undefined): TemplateResult {
    return html`<section class="detail" aria-labelledby="type-title">
      ${backLink("#/types", "All types")}
      <h2 id="type-title">${this.open}</h2>
      ${
        type
          ? html`${about(type)}<bf-preview .type=${type}></bf-preview>${sources(type)}`
          : this.#loop.isFirst
            ? loadState(this.#loop)
            : html`<p>This type does not exist (any more).</p>`
      }
    </section>`;
  }
}

function about({
  description,
  inbox,
  channels,
  category,
  mandatory,
  rules,
  retry,
  on_timeout,
}: NotificationType): TemplateResult {
  const { delay_ms, factor, max_retries } = retry;
  const wait = duration(delay_ms);
  const pace =
    factor === 1 ? `every ${wait}` : `the first after ${wait}, then each wait ${factor} times as long`;
  return facts([
    ["Description", description],
    ["Inbox", inbox ? "yes" : "no"],
    [
      "Channels",
      channels.length === 0
        ? "none, unless the caller names one"
        : html`${channels.map((channel) => html`<div>${rules[channel] ?? channelName(channel)}</div>`)}`,
    ],
    ["Category", category],
    ["Users", mandatory ? "cannot turn it off" : "can turn it off"],
    ["Retries", max_retries === 0 ? "none" : `${plural(max_retries, "retry", "retries")}, ${pace}`],
    ["On timeout", on_timeout === "give_up" ? "given up: ends as uncertain" : "sent again: may arrive twice"],
  ]);
}

function sources({ templates: { email, sms } }: NotificationType): TemplateResult {
  const parts: Array<[string, string | undefined]> = [
    ["E-mail, subject", email?.subject],
    ["E-mail, text", email?.text],
    ["E-mail, HTML", email?.html],
    ["SMS", sms?.text],
  ];
  const known = parts.filter(([, text]) => text !== undefined);
  if (known.length === 0) return html``;
  return html`<h3>Templates</h3>
    ${known.map(
      ([name, text]) => html`<details>
        <summary>${name}</summary>
        <pre class="text" tabindex="0">${text}</pre>
      </details>`,
    )}`;
}

customElements.define("bf-types", Types);
