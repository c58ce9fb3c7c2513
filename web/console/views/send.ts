import { html, nothing, type TemplateResult } from "lit";
import { newKey } from "../../../src/client/platform.ts";
import type { NotificationAnswer } from "../../../src/client/wire.ts";
import { ask, Trouble } from "../api.ts";
import { plural } from "../format.ts";
import { Loop, Part } from "../part.ts";
import "../parts/inbox.ts";
import { type JsonField, readObject } from "../parts/json-field.ts";
import { addressOf } from "../route.ts";
import { troubleBox } from "../trouble.ts";
import { notificationTypes } from "../types-store.ts";
import type { NotificationType } from "../wire.ts";
import { channelName } from "../words.ts";
import "./outcome.ts";

interface Draft {
  recipients: string;
  type: string;
  /** Absent: where the type's own go. */
  places?: string[] | undefined;
  title: string;
  body: string;
  data: string;
}

const places = ["inbox", "email", "sms", "webhook"];
/** Each of so many recipients is followed; the others are in Deliveries. */
const followed = 5;

/** Outlives the view: who looks at something else finds the form and what became of it as it was. */
const draft: Draft = {
  recipients: "alex",
  type: "new_login",
  title: "New sign-in",
  body: "A phone in Lisbon has signed in to your account. Was it you?",
  data: '{\n  "device": "phone"\n}',
};
let sent: { type: string; at: number; each: NotificationAnswer["notifications"] } | undefined;

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
    const { recipients, type, title, body, places: channels } = draft;
    const data = readObject(draft.data);
    if (this.#isBusy) return;
    if (data.wrong) return this.querySelector<HTMLElement>("bf-json-field textarea")?.focus();
    this.#isBusy = true;
    this.#error = undefined;
    this.#key ??= newKey();
    this.requestUpdate();
    const notification = {
      recipients: recipientsIn(recipients),
      type,
      ...(title && { title }),
      ...(body && { body }),
      ...(data.value && { data: data.value }),
      ...(channels && { channels }),
    };
    try {
      const call = { body: notification, headers: { "idempotency-key": this.#key } };
      const answer = await ask<NotificationAnswer>("POST", "/v1/notifications", call);
      sent = { type, at: Date.now(), each: answer.notifications };
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

  override render(): TemplateResult {
    return html`<div class="send">
      <form class="send-form" @submit=${this.#send}>
        <h1>Send</h1>
        ${this.#loop.error ? troubleBox(this.#loop.error, this.#loop.again) : nothing}
        ${this.#fields()}
        <p class="actions">
          <button class="main" type="submit" ?disabled=${this.#isBusy}>${this.#isBusy ? "Sending…" : "Send"}</button>
        </p>
        ${this.#error ? [troubleBox(this.#error), details(this.#error)] : nothing}
      </form>
      <section class="happened" aria-labelledby="happened">
        <h2 id="happened">What happened</h2>
        ${sent ? outcomes(sent) : nothingYet}
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
      <bf-json-field .value=${draft.data} @typed=${typed("data")}></bf-json-field>`;
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

const nothingYet = html`<p class="soft">
  Nothing yet. Press Send: the notification appears in the inbox below, and what goes out by e-mail or SMS right here.
  Without a provider nothing leaves this machine; it is captured for you to see.
</p>`;

function outcomes({ type, at, each }: NonNullable<typeof sent>): TemplateResult {
  const stored = each.filter(({ id }) => id).length;
  const alone = each.length === 1;
  const all = addressOf("deliveries", undefined, { type, from: new Date(at - 60_000).toISOString() });
  const others = html`The first ${followed} are followed here; <a href=${all}>all deliveries</a>.`;
  const says = alone
    ? stored
      ? "Stored: nothing can lose it now."
      : "Not stored."
    : `${plural(stored, "notification")} stored${stored < each.length ? `, ${each.length - stored} refused` : ""}.`;
  return html`
    <p role="status">${says} ${each.length > followed ? others : nothing}</p>
    ${each.slice(0, followed).map(
      ({ user_id, id, error }) => html`<bf-outcome
        .user=${user_id}
        .notification=${id}
        .refusal=${error?.message}
        .alone=${alone}
      ></bf-outcome>`,
    )}`;
}

/** Each field that is wrong, when the sentence cannot name them all. */
function details(error: unknown): TemplateResult | typeof nothing {
  const all = error instanceof Trouble ? error.details : [];
  if (all.length < 2) return nothing;
  return html`<ul class="plain">
    ${all.map(({ pointer, detail }) => html`<li><code>${pointer}</code> ${detail}</li>`)}
  </ul>`;
}

function recipientsIn(text: string): string[] {
  const all = text.split(/[\n,]/).map((one) => one.trim());
  return [...new Set(all.filter(Boolean))];
}

customElements.define("bf-send", Send);
