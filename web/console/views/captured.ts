import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { fullTime } from "../format.ts";
import { Loop, Part } from "../part.ts";
import "../parts/mail-frame.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import { addressOf } from "../route.ts";
import { facts, moment, standingOf, wayBack } from "../said.ts";
import type { Captured } from "../wire.ts";
import { channelName } from "../words.ts";

const pageSize = 50;
const againMs = 2_000;
type Side = "rendered" | "text" | "headers";
const sides: Record<Side, string> = { rendered: "As it looks", text: "Text", headers: "Headers" };

/** What would have been sent, had there been a provider. */
class CapturedView extends Part {
  static override properties = { open: { attribute: false } };
  declare open: string | undefined;
  #found: Captured[] = [];
  #wanted = pageSize;
  #isWhole = false;
  #side: Side = "rendered";
  #loop = new Loop(this, (signal) => this.#look(signal));

  /** Messages can be large: they are read again when there is a new one. */
  async #look(signal: AbortSignal): Promise<number> {
    const [newest] = await page(0, 1, signal);
    const hasAll = this.#isWhole || this.#found.length >= this.#wanted;
    if (!this.#loop.isFirst && hasAll && newest?.id === this.#found[0]?.id) return againMs;
    const all: Captured[] = [];
    for (let isMore = true; isMore && all.length < this.#wanted; ) {
      const some = await page(all.length, pageSize, signal);
      all.push(...some);
      isMore = some.length === pageSize;
      this.#isWhole = !isMore;
    }
    // One that came meanwhile has moved the others.
    this.#found = [...new Map(all.map((one) => [one.id, one])).values()];
    return againMs;
  }

  #more = (): void => {
    this.#wanted += pageSize;
    this.#loop.again();
  };

  override render(): TemplateResult {
    const { isFirst } = this.#loop;
    const isOpen = this.open !== undefined;
    return html`<div class=${isOpen ? "beside has-open" : "beside"}>
      <div class="list-side">
        <h1>Captured</h1>
        <p class="soft">A channel without a provider sends nothing: what it would have sent is kept here.</p>
        ${standingOf(this.#loop)}
        ${!isFirst && this.#found.length === 0 ? nothingYet : nothing}
        <ul class="pick">${this.#found.map((one) => this.#line(one))}</ul>
        ${this.#isWhole || isFirst ? nothing : html`<button type="button" @click=${this.#more}>Older ones</button>`}
      </div>
      ${isOpen ? this.#message(this.#found.find(({ id }) => id === this.open)) : nothing}
    </div>`;
  }

  #line({ id, channel, to, subject, text, at }: Captured): TemplateResult {
    return html`<li>
      <a href=${addressOf("captured", id)} aria-current=${id === this.open ? "true" : nothing}>
        <span class="name" dir="auto">${subject ?? text}</span>
        <span class="soft">${channelName(channel)} to <bdi>${to}</bdi>, ${moment(at)}</span>
      </a>
    </li>`;
  }

  #message(one: Captured | undefined): TemplateResult {
    return html`<section class="detail" aria-labelledby="message-title">
      ${wayBack("#/captured", "All messages")}
      ${one ? this.#shown(one) : this.#loop.isFirst ? standingOf(this.#loop) : gone}
    </section>`;
  }

  #shown(one: Captured): TemplateResult {
    const title = one.subject ?? `${channelName(one.channel)} to ${one.to}`;
    const heading = html`<h2 id="message-title" dir="auto">${title}</h2>`;
    if (one.channel !== "email") return html`${heading}${smsBubble(one.text ?? "")}${headers(one)}`;
    const choose = (side: string) => () => {
      this.#side = side as Side;
      this.requestUpdate();
    };
    return html`${heading}
      <div class="chips" role="group" aria-label="Shown">
        ${Object.entries(sides).map(
          ([side, label]) => html`<button
            type="button"
            class="chip"
            aria-pressed=${side === this.#side}
            @click=${choose(side)}
          >${label}</button>`,
        )}
      </div>
      ${{ rendered, text: asText, headers }[this.#side](one)}`;
  }
}

async function page(skip: number, limit: number, signal: AbortSignal): Promise<Captured[]> {
  const query = { skip, limit };
  return (await ask<{ data: Captured[] }>("GET", "/v1/captured", { query, signal })).data;
}

const nothingYet = html`<p class="empty">
  Nothing has been captured. <a href="#/send">Send</a> a notification with an e-mail.
</p>`;

const gone = html`<h2 id="message-title">It is not among these</h2>
  <p class="soft">
    It may be older than those listed, or has made room for newer ones: the newest 64 MiB are kept.
  </p>`;

const rendered = ({ html: content, to }: Captured): TemplateResult => html`
  <bf-mail-frame .content=${content ?? ""} .label=${`The mail to ${to}`}></bf-mail-frame>
  <p class="soft">Pictures from elsewhere are not fetched.</p>`;

const asText = ({ text }: Captured): TemplateResult =>
  html`<pre class="text" dir="auto" tabindex="0">${text}</pre>`;

const headers = ({ id, user_id, from, to, subject, at }: Captured): TemplateResult =>
  facts([
    ["From", from],
    ["To", html`<bdi>${to}</bdi>`],
    ["Subject", subject && html`<bdi>${subject}</bdi>`],
    ["Captured", fullTime(at)],
    ["User", html`<a href=${addressOf("users", user_id)}><bdi>${user_id}</bdi></a>`],
    ["Delivery", html`<a href=${addressOf("deliveries", id)}><code>${id}</code></a>`],
  ]);

customElements.define("bf-captured", CapturedView);
