import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { languageName } from "../format.ts";
import { Part } from "../part.ts";
import { type JsonField, readObject } from "../parts/json-field.ts";
import { mail } from "../parts/mail.ts";
import { smsBubble } from "../parts/sms-bubble.ts";
import type { NotificationType, Preview } from "../wire.ts";

/** Renders after this pause in typing. */
const pauseMs = 300;

interface Sample {
  title: string;
  body: string;
  data: string;
}

/** A type's templates, rendered with a sample that can be edited. */
class TypePreview extends Part {
  static override properties = { type: { attribute: false } };
  declare type: NotificationType;
  #sample: Sample = { title: "A title", body: "The text of the notification.", data: "{}" };
  /** A tag, or nothing for a user without a language. */
  #locale = "";
  #shown: Preview = {};
  #error: unknown;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = new AbortController();

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("type")) return;
    this.#sample.data = sampleFor(this.type);
    if (!this.type.locales.includes(this.#locale)) this.#locale = "";
    this.#shown = {};
    void this.#preview();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#asking.abort();
  }

  /** Whether the templates use the field. */
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
      ...(this.#locale && { locale: this.#locale }),
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
    return html`<h3>Preview</h3>
      <div class="preview">
        <form class="sample" @submit=${(event: Event) => event.preventDefault()}>
          ${this.#languages()}
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

  #languages(): TemplateResult | typeof nothing {
    const { locales } = this.type;
    if (locales.length === 0) return nothing;
    const chosen = (event: Event) => {
      this.#locale = (event.currentTarget as HTMLSelectElement).value;
      void this.#preview();
    };
    return html`<label>Language
      <select @change=${chosen}>
        ${["", ...locales].map(
          (tag) => html`<option value=${tag} .selected=${tag === this.#locale}>
            ${tag === "" ? "the default" : languageName(tag)}
          </option>`,
        )}
      </select>
    </label>`;
  }

  #messages(): TemplateResult {
    const { email, sms } = this.#shown;
    return html`${email ? both(email) : nothing}${sms ? smsBubble(sms.text, sms.segments) : nothing}`;
  }
}

const nothingToRender = html`<p class="soft">
  This type has no channels, so there is nothing to render: the inbox stores the notification as it is. When a caller
  names a channel, the default templates are used.
</p>`;

const both = (email: NonNullable<Preview["email"]>): TemplateResult => html`
  ${mail(email)}
  <details>
    <summary>Plain text</summary>
    <pre class="text" tabindex="0" dir="auto">${email.text}</pre>
  </details>`;

/** The template fails with this sample: trying again would not help. */
const isOurs = (error: unknown): boolean => error instanceof BelfryClientError && error.status === 400;

/** An example for each field of `data` that the templates use. */
function sampleFor({ templates }: NotificationType): string {
  const text = JSON.stringify(templates);
  const names = new Set([...text.matchAll(/\bdata\.([A-Za-z_]\w*)/g)].map(([, name]) => name as string));
  const isCount = (name: string) => new RegExp(`\\bcount: *data\\.${name}\\b`).test(text);
  return JSON.stringify(
    Object.fromEntries([...names].map((name) => [name, isCount(name) ? 2 : name])),
    null,
    2,
  );
}

customElements.define("bf-preview", TypePreview);
