import { html, nothing, type TemplateResult } from "lit";
import { newKey } from "../../../src/client/platform.ts";
import type { NotificationAnswer } from "../../../src/client/wire.ts";
import { ApiError, ask } from "../api.ts";
import { Loop, Part } from "../part.ts";
import "../parts/inbox.ts";
import { errorBox } from "../error-box.ts";
import { loadState } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { type JsonField, readObject } from "../parts/json-field.ts";
import { notificationTypes } from "../types-store.ts";
import type { NotificationType } from "../wire.ts";
import { bodyOf, type Draft, recipientsIn, shellCall } from "./draft.ts";
import { firstSteps, outcomes, type Sent } from "./sent.ts";

const places = ["inbox", "email", "sms", "webhook"];
/** Outlives the view: who looks at something else finds the form and what became of it as it was. */
const draft: Draft = {
  recipients: "alex",
  type: "new_login",
  title: "New sign-in",
  body: "A phone in Lisbon has signed in to your account. Was it you?",
  data: '{\n  "device": "phone"\n}',
  target: "",
};
let sent: Sent | undefined;

/** Send one notification, and watch what becomes of it. */
class Send extends Part {
  #types: NotificationType[] = [];
  #error: unknown;
  #isBusy = false;
  /** Whose inbox is shown: not each letter's of an id that is being typed. */
  #inboxOf = recipientsIn(draft.recipients)[0];
  /** The same until the form is changed: pressing again after an answer was lost stores nothing twice. */
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

  #missing(): ApiError | undefined {
    // Until the types have come the service alone knows where one's own go.
    const isKnown = draft.places !== undefined || this.#types.length > 0;
    const says =
      recipientsIn(draft.recipients).length === 0
        ? "Say whom it is for: a user's id."
        : isKnown && this.#places.length === 0 && "Say where it goes: the inbox, or a channel.";
    return says ? new ApiError(says, { code: "missing" }) : undefined;
  }

  override render(): TemplateResult {
    return html`<div class="two">
      <form class="send-form" @submit=${this.#send}>
        <h1>Send</h1>
        <p class="lead">Tell a user, and see what becomes of it.</p>
        ${this.#loop.error ? loadState(this.#loop) : nothing}
        ${this.#fields()}
        <p class="actions">
          <button class="main" type="submit" ?disabled=${this.#isBusy}>${this.#isBusy ? "Sending…" : "Send"}</button>
        </p>
        ${this.#error ? [errorBox(this.#error), details(this.#error)] : nothing}
        <details>
          <summary>The same as a call</summary>
          <pre class="text" tabindex="0" aria-label="The call">${shellCall(draft)}</pre>
        </details>
      </form>
      <section class="happened" aria-labelledby="happened">
        <h2 id="happened">${sent ? "What happened" : "What happens"}</h2>
        ${sent ? outcomes(sent) : firstSteps}
        ${this.#inboxOf ? html`<bf-inbox .user=${this.#inboxOf}></bf-inbox>` : nothing}
      </section>
    </div>`;
  }

  #fields(): TemplateResult {
    const typed = (name: keyof Draft) => (event: Event) =>
      this.#set({ [name]: (event.currentTarget as HTMLInputElement | JsonField).value });
    const typeChosen = (event: Event) =>
      this.#set({ type: (event.target as HTMLSelectElement).value, places: undefined });
    const keys = this.#types.length > 0 ? this.#types.map(({ key }) => key) : [draft.type];
    const description = this.#type?.description;
    return html`
      <label>To <span class="soft">(user ids, one a line or separated by commas)</span>
        <textarea
          rows="1"
          class="grows"
          required
          .value=${draft.recipients}
          @input=${typed("recipients")}
          @change=${this.#showInbox}
        ></textarea>
      </label>
      <label>Type
        <select @change=${typeChosen}>
          ${keys.map((key) => html`<option value=${key} ?selected=${key === draft.type}>${key}</option>`)}
        </select>
      </label>
      ${description ? html`<p class="hint">${description}.</p>` : nothing}
      <fieldset>
        <legend>Where</legend>
        ${places.map((name) => this.#place(name))}
      </fieldset>
      <label>Title <input maxlength="1000" dir="auto" .value=${draft.title} @input=${typed("title")} /></label>
      <label>Body
        <textarea rows="3" maxlength="16384" dir="auto" .value=${draft.body} @input=${typed("body")}></textarea>
      </label>
      <bf-json-field .value=${draft.data} @typed=${typed("data")}></bf-json-field>
      <label>Target <span class="soft">(what it is about, 24 hex characters)</span>
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

  #place(name: string): TemplateResult {
    const chosen = this.#places;
    const toggle = (event: Event) => {
      const isOn = (event.target as HTMLInputElement).checked;
      this.#set({ places: places.filter((one) => (one === name ? isOn : chosen.includes(one))) });
    };
    return html`<label class="tick">
      <input type="checkbox" .checked=${chosen.includes(name)} @change=${toggle} /> ${channelName(name)}
    </label>`;
  }
}

/** Each field that is wrong, when the sentence cannot name them all. */
function details(error: unknown): TemplateResult | typeof nothing {
  const all = error instanceof ApiError ? error.details : [];
  if (all.length < 2) return nothing;
  return html`<ul class="plain">
    ${all.map(({ pointer, detail }) => html`<li><code>${pointer}</code> ${detail}</li>`)}
  </ul>`;
}

customElements.define("bf-send", Send);
