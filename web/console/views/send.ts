import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { newKey } from "../../../src/client/platform.ts";
import type { NotificationAnswer } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { count } from "../format.ts";
import { Loop, Part } from "../part.ts";
import "../parts/inbox.ts";
import { errorBox } from "../error-box.ts";
import { loadState } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { type JsonField, readObject } from "../parts/json-field.ts";
import "../parts/provider-health.ts";
import { notificationTypes } from "../types-store.ts";
import type { NotificationType } from "../wire.ts";
import { bodyOf, type Draft, recipientsIn, shellCall } from "./draft.ts";
import { firstSteps, outcomes, type Sent } from "./sent.ts";

const places = ["inbox", "email", "sms", "webhook"];
/** The built-in type whose caller names the one channel. */
const directType = "direct";
const isDirect = (): boolean => draft.type === directType;
/** Recipients of one request, and those that the form names. */
const most = 1_000;
const named = 5;
/** Kept while other views are open, so that the form and its result are still there afterwards. */
const draft: Draft = {
  recipients: "alex",
  type: "new_login",
  title: "New sign-in",
  body: "A phone in Lisbon has signed in to your account. Was it you?",
  data: '{\n  "device": "phone"\n}',
  target: "",
};
let sent: Sent | undefined;

/** Sends a notification and shows its result. */
class Send extends Part {
  #types: NotificationType[] = [];
  #error: unknown;
  #isBusy = false;
  /** The user whose inbox is shown. It does not follow each letter typed. */
  #inboxOf = recipientsIn(draft.recipients)[0];
  /** Stays until the form changes, so that pressing again after a lost answer stores nothing twice. */
  #key: string | undefined;
  #loop = new Loop(this, async () => {
    this.#types = await notificationTypes();
    return undefined;
  });

  get #type(): NotificationType | undefined {
    return this.#types.find(({ key }) => key === draft.type);
  }

  get #places(): string[] {
    const { inbox = false, channels = [] } = this.#type ?? {};
    return draft.places ?? [...(inbox ? ["inbox"] : []), ...channels];
  }

  #set(change: Partial<Draft>): void {
    Object.assign(draft, change);
    this.#key = undefined;
    this.#error = undefined;
    this.requestUpdate();
  }

  #showInbox = (): void => {
    this.#inboxOf = recipientsIn(draft.recipients)[0];
    this.requestUpdate();
  };

  #send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (this.#isBusy) return;
    if (readObject(draft.data).wrong)
      return this.querySelector<HTMLElement>("bf-json-field textarea")?.focus();
    this.#error = this.#missing();
    this.requestUpdate();
    if (this.#error) return;
    this.#isBusy = true;
    this.#key ??= newKey();
    try {
      const call = { body: bodyOf(draft), headers: { "idempotency-key": this.#key } };
      const answer = await ask<NotificationAnswer>("POST", "/v1/notifications", call);
      sent = { type: draft.type, each: answer.notifications };
      this.#key = undefined;
      this.requestUpdate();
      await this.updateComplete;
      this.querySelector(".happened")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (error) {
      this.#error = error;
    } finally {
      this.#isBusy = false;
      this.requestUpdate();
    }
  };

  #missing(): BelfryClientError | undefined {
    // Until the types are loaded only the service knows a type's own channels.
    const isKnown = draft.places !== undefined || this.#types.length > 0;
    const problem =
      recipientsIn(draft.recipients).length === 0
        ? "Enter at least one user id."
        : isKnown && this.#places.length === 0 && "Choose the inbox or a channel.";
    return problem ? new BelfryClientError(problem, { code: "missing" }) : undefined;
  }

  override render(): TemplateResult {
    return html`<div class="two">
      <form class="send-form" @submit=${this.#send}>
        <h1>Send</h1>
        <p class="lead">Send a notification and see what happens to it.</p>
        ${this.#loop.error ? loadState(this.#loop) : nothing}
        <bf-provider-alert .channels=${this.#places}></bf-provider-alert>
        ${this.#fields()}
        <p class="actions">
          <button class="main" type="submit" ?disabled=${this.#isBusy}>${this.#isBusy ? "Sending…" : "Send"}</button>
        </p>
        ${this.#error ? [errorBox(this.#error), details(this.#error)] : nothing}
        <details>
          <summary>The same with curl</summary>
          <pre class="text" tabindex="0" aria-label="The curl command">${shellCall(draft)}</pre>
        </details>
      </form>
      <section class="happened" aria-labelledby="happened">
        <h2 id="happened">${sent ? "Result" : "How it works"}</h2>
        ${sent ? outcomes(sent) : firstSteps}
        ${this.#inboxOf ? html`<bf-inbox .user=${this.#inboxOf}></bf-inbox>` : nothing}
      </section>
    </div>`;
  }

  #fields(): TemplateResult {
    const typed = (name: keyof Draft) => (event: Event) =>
      this.#set({ [name]: (event.currentTarget as HTMLInputElement | JsonField).value });
    const typeChosen = (event: Event) => this.#chooseType((event.target as HTMLSelectElement).value);
    const keys = this.#types.length > 0 ? this.#types.map(({ key }) => key) : [draft.type];
    const description = this.#type?.description;
    return html`
      <label>To <span class="soft">(user ids, separated by commas, blanks or lines)</span>
        <textarea
          rows="1"
          class="grows"
          required
          .value=${draft.recipients}
          @input=${typed("recipients")}
          @change=${this.#showInbox}
        ></textarea>
      </label>
      ${this.#audience()}
      <label>Type
        <select @change=${typeChosen}>
          ${keys.map((key) => html`<option value=${key} ?selected=${key === draft.type}>${key}</option>`)}
        </select>
      </label>
      ${description ? html`<p class="hint">${description}.</p>` : nothing}
      <fieldset>
        <legend>Where ${isDirect() ? html`<span class="soft">(direct goes to exactly one)</span>` : nothing}</legend>
        ${places.map((name) => this.#place(name))}
      </fieldset>
      <label>Title <input maxlength="1000" dir="auto" .value=${draft.title} @input=${typed("title")} /></label>
      <label>Body
        <textarea rows="3" maxlength="16384" dir="auto" .value=${draft.body} @input=${typed("body")}></textarea>
      </label>
      <bf-json-field .value=${draft.data} @typed=${typed("data")}></bf-json-field>
      <label>Target <span class="soft">(what it is about: 24 hex characters)</span>
        <input
          class="code"
          pattern="[0-9A-Fa-f]{24}"
          title="24 hex characters"
          maxlength="24"
          autocomplete="off"
          spellcheck="false"
          .value=${draft.target}
          @input=${typed("target")}
        />
      </label>`;
  }

  /** A type for one message on one channel: it has no channels of its own to fall back on. */
  #chooseType(type: string): void {
    this.#set({ type, places: type === directType ? ["email"] : undefined });
  }

  /** A stray blank makes two recipients of one: say how many there are. */
  #audience(): TemplateResult | typeof nothing {
    const all = recipientsIn(draft.recipients);
    if (all.length < 2) return nothing;
    const rest = all.length - named;
    const more = rest > 0 ? ` and ${count(rest)} more` : "";
    return html`<p class="hint warn" role="status">
      <strong>This goes to ${count(all.length)} users:</strong>
      <bdi>${all.slice(0, named).join(", ")}</bdi>${more}.
      ${all.length > most ? html`<span class="wrong">One request takes at most ${count(most)}.</span>` : nothing}
    </p>`;
  }

  #place(name: string): TemplateResult {
    const chosen = this.#places;
    const toggle = (event: Event) => {
      const isOn = (event.target as HTMLInputElement).checked;
      const next = (one: string) => (one === name ? isOn : !isDirect() && chosen.includes(one));
      this.#set({ places: places.filter(next) });
    };
    return html`<label class="tick">
      <input type=${isDirect() ? "radio" : "checkbox"} name="place" .checked=${chosen.includes(name)} @change=${toggle} /> ${channelName(name)}
    </label>`;
  }
}

/** Every invalid field, when there are several. */
function details(error: unknown): TemplateResult | typeof nothing {
  const all = error instanceof BelfryClientError ? error.details : [];
  if (all.length < 2) return nothing;
  return html`<ul class="plain">
    ${all.map(({ pointer, detail }) => html`<li><code>${pointer}</code> ${detail}</li>`)}
  </ul>`;
}

customElements.define("bf-send", Send);
