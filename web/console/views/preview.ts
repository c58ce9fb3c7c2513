import { html, nothing, type TemplateResult } from "lit";
import { ApiError, ask } from "../api.ts";
import { Part } from "../part.ts";
import { type JsonField, readObject } from "../parts/json-field.ts";
import "../parts/mail-frame.ts";
import { errorBox } from "../error-box.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import type { NotificationType, Preview } from "../wire.ts";

/** Typing is over when it has paused for so long. */
const pauseMs = 300;

interface Sample {
  title: string;
  body: string;
  data: string;
}

/** What a type's templates make of a sample, which can be edited. */
class TypePreview extends Part {
  static override properties = { type: { attribute: false } };
  declare type: NotificationType;
  #sample: Sample = { title: "A title", body: "What there is to say.", data: "{}" };
  #shown: Preview = {};
  #error: unknown;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = new AbortController();

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("type")) return;
    this.#sample.data = sampleFor(this.type);
    this.#shown = {};
    void this.#preview();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#asking.abort();
  }

  /** Whether its templates speak of that at all. */
  #uses(name: string): boolean {
    return new RegExp(`\\{[{%][^}]*\\b${name}\\b`).test(JSON.stringify(this.type.templates));
  }

  #set(change: Partial<Sample>): void {
    Object.assign(this.#sample, change);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#preview, pauseMs);
  }

  #preview = async (): Promise<void> => {
    const { title, body, data: written } = this.#sample;
    const data = readObject(written);
    if (data.wrong || this.type.channels.length === 0) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const path = `/v1/types/${encodeURIComponent(this.type.key)}/preview`;
    const sample = {
      ...(title && { title }),
      ...(body && { body }),
      ...(data.value && { data: data.value }),
    };
    try {
      this.#shown = await ask<Preview>("POST", path, { body: sample, signal });
      this.#error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.requestUpdate();
  };

  override render(): TemplateResult {
    if (this.type.channels.length === 0) return nothingToRender;
    const { title, body, data } = this.#sample;
    const typed = (name: keyof Sample) => (event: Event) =>
      this.#set({ [name]: (event.currentTarget as HTMLInputElement | JsonField).value });
    return html`<h3>What it sends</h3>
      <div class="preview">
        <form class="sample" @submit=${(event: Event) => event.preventDefault()}>
          ${
            this.#uses("title")
              ? html`<label>Title <input dir="auto" .value=${title} @input=${typed("title")} /></label>`
              : nothing
          }
          ${
            this.#uses("body")
              ? html`<label>Body
                  <textarea rows="2" dir="auto" .value=${body} @input=${typed("body")}></textarea>
                </label>`
              : nothing
          }
          <bf-json-field name="sample" .value=${data} @typed=${typed("data")}></bf-json-field>
        </form>
        <div class="rendered" aria-live="polite">
          ${this.#error ? errorBox(this.#error, isOurs(this.#error) ? undefined : this.#preview) : this.#messages()}
        </div>
      </div>`;
  }

  #messages(): TemplateResult {
    const { email, sms } = this.#shown;
    return html`${email ? mail(email) : nothing}${sms ? smsBubble(sms.text, sms.segments) : nothing}`;
  }
}

const nothingToRender = html`<p class="soft">
  There is nothing to render: it is kept in the inbox as it comes. When a caller names a channel, the default templates
  are used.
</p>`;

const mail = ({ subject, html: content, text }: NonNullable<Preview["email"]>): TemplateResult => html`
  <figure class="message">
    <figcaption><strong dir="auto">${subject}</strong></figcaption>
    <bf-mail-frame .content=${content} .label=${"The mail"}></bf-mail-frame>
  </figure>
  <details>
    <summary>As text</summary>
    <pre class="text" tabindex="0" dir="auto">${text}</pre>
  </details>`;

/** A template that does not fit the sample: trying again is no use. */
const isOurs = (error: unknown): boolean => error instanceof ApiError && error.status === 400;

/** What its templates ask of `data`, with something in each place. */
function sampleFor({ templates }: NotificationType): string {
  const text = JSON.stringify(templates);
  const names = new Set([...text.matchAll(/\bdata\.([A-Za-z_]\w*)/g)].map(([, name]) => name as string));
  return JSON.stringify(Object.fromEntries([...names].map((name) => [name, name])), null, 2);
}

customElements.define("bf-preview", TypePreview);
