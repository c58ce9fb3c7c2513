import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { newKey } from "../../../src/client/platform.ts";
import type { BroadcastBody, BroadcastDetails, BroadcastPreview } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { backLink, loadState } from "../feedback.ts";
import { count, plural } from "../format.ts";
import { channelName } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import { readObject } from "../parts/json-field.ts";
import { addressOf, go } from "../route.ts";
import { notificationTypes } from "../types-store.ts";
import type { NotificationType } from "../wire.ts";
import { recipientsIn } from "./draft.ts";

const audiences = {
  topic: "A topic",
  filter: "Users with these values",
  users: "These users",
  all: "All users",
};
type Kind = keyof typeof audiences;
const labels: Record<Exclude<Kind, "all">, [label: string, example: string]> = {
  topic: ["Topic", "post:7"],
  filter: ["Values, as JSON", '{"plan": "pro", "country": ["de", "at"]}'],
  users: ["User ids, separated by commas, blanks or lines", "alex, bob"],
};
/** Kept while other views are open. */
const draft = { kind: "topic" as Kind, text: "", type: "", title: "", body: "" };

/** The form for a broadcast. It is sent after a preview: who gets it, and what would happen to the first of them. */
class BroadcastForm extends Part {
  #types: NotificationType[] = [];
  #preview: BroadcastPreview | undefined;
  #error: unknown;
  #isBusy = false;
  /** Stays until the form changes, so that pressing again after a lost answer begins no second one. */
  #key: string | undefined;
  #loop = new Loop(this, async () => {
    this.#types = (await notificationTypes()).filter(({ inbox, channels }) => inbox || channels.length > 0);
    draft.type ||= this.#types[0]?.key ?? "";
    return undefined;
  });

  #set(change: Partial<typeof draft>): void {
    Object.assign(draft, change);
    this.#preview = undefined;
    this.#key = undefined;
    this.#error = undefined;
    this.requestUpdate();
  }

  #body(): BroadcastBody {
    const { kind, text, type, title, body } = draft;
    const to = {
      topic: () => ({ topic: text.trim() }),
      users: () => ({ users: recipientsIn(text) }),
      all: () => ({ all: true }),
      filter: () => {
        const { value, wrong } = readObject(text);
        if (!value) throw new BelfryClientError(wrong ?? "Enter the values, as JSON.", { code: "missing" });
        return { filter: value };
      },
    }[kind]();
    return { notification: { type, ...(title && { title }), ...(body && { body }) }, to };
  }

  #ask = async (isPreview: boolean): Promise<void> => {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#error = undefined;
    this.requestUpdate();
    try {
      const body = this.#body();
      if (isPreview)
        this.#preview = await ask<BroadcastPreview>("POST", "/v1/broadcasts", {
          body,
          query: { dry_run: true },
        });
      else {
        this.#key ??= newKey();
        const { id } = await ask<BroadcastDetails>("POST", "/v1/broadcasts", {
          body: { ...body, key: this.#key },
        });
        this.#preview = undefined;
        this.#key = undefined;
        this.dispatchEvent(new Event("stored"));
        go(addressOf("broadcasts", id));
      }
    } catch (error) {
      this.#error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  #submitted = (event: SubmitEvent): void => {
    event.preventDefault();
    void this.#ask(true);
  };

  override render(): TemplateResult {
    return html`<section class="detail" aria-labelledby="form-title">
      ${backLink("#/broadcasts", "All broadcasts")}
      <h2 id="form-title">New broadcast</h2>
      ${this.#loop.error ? loadState(this.#loop) : nothing}
      <form class="send-form" @submit=${this.#submitted}>
        ${this.#fields()}
        <p class="actions">
          <button type="submit" class=${this.#preview ? "" : "main"} ?disabled=${this.#isBusy}>Preview</button>
        </p>
      </form>
      ${errorBox(this.#error)}
      ${this.#preview ? this.#result(this.#preview) : nothing}
    </section>`;
  }

  #fields(): TemplateResult {
    const typed = (name: keyof typeof draft) => (event: Event) =>
      this.#set({ [name]: (event.currentTarget as HTMLInputElement).value });
    const label = draft.kind === "all" ? undefined : labels[draft.kind];
    const keys = this.#types.map(({ key }) => key);
    return html`
      <label>To
        <select @change=${typed("kind")}>
          ${Object.entries(audiences).map(
            ([kind, name]) => html`<option value=${kind} ?selected=${kind === draft.kind}>${name}</option>`,
          )}
        </select>
      </label>
      ${
        label
          ? html`<label>${label[0]}
              <textarea
                rows="1"
                class="grows"
                required
                spellcheck="false"
                placeholder=${label[1]}
                .value=${draft.text}
                @input=${typed("text")}
              ></textarea>
            </label>`
          : nothing
      }
      <label>Type
        <select @change=${typed("type")}>
          ${keys.map((key) => html`<option value=${key} ?selected=${key === draft.type}>${key}</option>`)}
        </select>
      </label>
      <label>Title <input maxlength="1000" dir="auto" .value=${draft.title} @input=${typed("title")} /></label>
      <label>Body
        <textarea rows="3" maxlength="16384" dir="auto" .value=${draft.body} @input=${typed("body")}></textarea>
      </label>`;
  }

  #result({ total, notifications }: BroadcastPreview): TemplateResult {
    const who = total === undefined ? "an unknown number of users" : plural(total, "user");
    return html`<h3>Preview</h3>
      <p class="big" role="status">This goes to ${who}.</p>
      ${
        notifications.length === 0
          ? nothing
          : html`<p class="soft">
                ${total !== undefined && total > notifications.length ? `The first ${count(notifications.length)} of them:` : "All of them:"}
              </p>
              <ul class="plain">
                ${notifications.map(
                  ({ user_id, channels }) =>
                    html`<li><bdi>${user_id}</bdi>: ${
                      channels
                        .map(({ channel, verdict, text }) =>
                          verdict === "send"
                            ? channelName(channel)
                            : `no ${channelName(channel)} (${text ?? verdict})`,
                        )
                        .join(", ") || "nothing"
                    }</li>`,
                )}
              </ul>`
      }
      <p class="actions">
        <button type="button" class="main" ?disabled=${this.#isBusy || total === 0} @click=${() => this.#ask(false)}>
          Send to ${who}
        </button>
      </p>`;
  }
}

customElements.define("bf-broadcast-form", BroadcastForm);
