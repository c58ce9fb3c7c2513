import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask } from "../api.ts";
import { fullTime } from "../format.ts";
import { Loop, Part } from "../part.ts";
import "../parts/mail-frame.ts";
import { backLink, empty, facts, loadState, moment } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { pickLine } from "../parts/pick.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import { addressOf } from "../route.ts";
import type { CapturedMessage } from "../wire.ts";

const pageSize = 50;
const againMs = 2_000;
type Side = "rendered" | "text" | "headers";
const sides: Record<Side, string> = { rendered: "Preview", text: "Text", headers: "Headers" };

/** Messages of channels without a provider. */
class CapturedView extends Part {
  static override properties = { open: { attribute: false } };
  declare open: string | undefined;
  #found: CapturedMessage[] = [];
  #isWhole = false;
  #areOlderWanted = false;
  /** The open message when the list does not have it; `message` is undefined when nothing has. */
  #apart: { id: string; message: CapturedMessage | undefined } | undefined;
  #side: Side = "rendered";
  #loop = new Loop(this, (signal) => this.#look(signal));

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("open") && this.hasUpdated) this.#loop.again();
  }

  /** Messages can be large: known ones are not read again. */
  async #look(signal: AbortSignal): Promise<number> {
    const [newest] = await page(0, 1, signal);
    if (this.#loop.isFirst || newest?.id !== this.#found[0]?.id) {
      const some = await page(0, pageSize, signal);
      const last = this.#found.findIndex(({ id }) => id === some.at(-1)?.id);
      // More new messages than one page leave a gap, so the list starts over.
      this.#found = last < 0 ? some : [...some, ...this.#found.slice(last + 1)];
      if (last < 0) this.#isWhole = some.length < pageSize;
    }
    if (this.#areOlderWanted) {
      const some = await page(this.#found.length, pageSize, signal);
      // A message that arrived in between has shifted the pages.
      this.#found = [...new Map([...this.#found, ...some].map((one) => [one.id, one])).values()];
      this.#isWhole = some.length < pageSize;
      this.#areOlderWanted = false;
    }
    const { open } = this;
    if (open !== undefined && !this.#among(open) && this.#apart?.id !== open)
      this.#apart = { id: open, message: await oneWith(open, signal) };
    return againMs;
  }

  #among(id: string | undefined): CapturedMessage | undefined {
    return this.#found.find((one) => one.id === id);
  }

  #more = (): void => {
    this.#areOlderWanted = true;
    this.#loop.again();
  };

  override render(): TemplateResult {
    const { isFirst } = this.#loop;
    const isOpen = this.open !== undefined;
    return html`<div class=${isOpen ? "beside has-open" : "beside"}>
      <div class="list-side">
        <h1>Captured</h1>
        <p class="soft">Channels without a provider send nothing. Their messages are kept here instead.</p>
        ${loadState(this.#loop)}
        ${this.#isWhole && this.#found.length === 0 ? nothingYet : nothing}
        <ul class="pick">${this.#found.map((one) => this.#line(one))}</ul>
        ${this.#isWhole || isFirst ? nothing : html`<button type="button" @click=${this.#more}>Load older messages</button>`}
      </div>
      ${isOpen ? this.#message() : nothing}
    </div>`;
  }

  #line({ id, channel, to, subject, text, at }: CapturedMessage): TemplateResult {
    return pickLine({
      address: addressOf("captured", id),
      isOpen: id === this.open,
      name: subject || text,
      about: `${channelName(channel)} to ${to}`,
      end: moment(at),
    });
  }

  #message(): TemplateResult {
    const apart = this.#apart?.id === this.open ? this.#apart : undefined;
    const one = this.#among(this.open) ?? apart?.message;
    return html`<section class="detail" aria-labelledby="message-title">
      ${backLink("#/captured", "All messages")}
      ${one ? this.#shown(one) : apart ? gone : loadState(this.#loop)}
    </section>`;
  }

  #shown(one: CapturedMessage): TemplateResult {
    const title = one.subject || `${channelName(one.channel)} to ${one.to}`;
    const heading = html`<h2 id="message-title" dir="auto">${title}</h2>`;
    if (one.channel !== "email") return html`${heading}${smsBubble(one.text ?? "")}${headers(one)}`;
    const choose = (side: string) => () => {
      this.#side = side as Side;
      this.requestUpdate();
    };
    return html`${heading}
      <p class="soft">To <bdi>${one.to}</bdi>, ${moment(one.at)}</p>
      <div class="chips" role="group" aria-label="Format">
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

async function page(skip: number, limit: number, signal: AbortSignal): Promise<CapturedMessage[]> {
  const query = { skip, limit };
  return (await ask<{ data: CapturedMessage[] }>("GET", "/v1/captured", { query, signal })).data;
}

const oneWith = (id: string, signal: AbortSignal): Promise<CapturedMessage | undefined> =>
  ask<CapturedMessage>("GET", `/v1/captured/${encodeURIComponent(id)}`, { signal }).catch((error) => {
    if (error instanceof BelfryClientError && [400, 404].includes(error.status)) return undefined;
    throw error;
  });

const nothingYet = empty(
  "No messages have been captured.",
  html`<a href="#/send">Send</a> a notification by e-mail or SMS. While the channel has no provider, it appears here.`,
);

const gone = html`<h2 id="message-title">This message does not exist</h2>
  <p class="soft">It may have been deleted: only the newest 64 MiB of messages are kept.</p>`;

const rendered = ({ html: content, to }: CapturedMessage): TemplateResult => html`
  <bf-mail-frame .content=${content ?? ""} .label=${`The e-mail to ${to}`}></bf-mail-frame>
  <p class="soft">External images are not loaded, and links are disabled.</p>`;

const asText = ({ text }: CapturedMessage): TemplateResult =>
  html`<pre class="text" dir="auto" tabindex="0">${text}</pre>`;

const headers = ({ id, user_id, from, to, subject, at }: CapturedMessage): TemplateResult =>
  facts([
    ["From", from],
    ["To", html`<bdi>${to}</bdi>`],
    ["Subject", subject && html`<bdi>${subject}</bdi>`],
    ["Captured", fullTime(at)],
    ["User", html`<a href=${addressOf("users", user_id)}><bdi>${user_id}</bdi></a>`],
    ["Delivery", html`<a href=${addressOf("deliveries", id)}><code>${id}</code></a>`],
  ]);

customElements.define("bf-captured", CapturedView);
