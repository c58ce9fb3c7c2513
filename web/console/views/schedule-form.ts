import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { Loop, Part } from "../part.ts";
import { notificationTypes } from "../types-store.ts";
import { recipientsIn } from "./draft.ts";

/** The fields, the places of their errors, and what is in them at first. */
const fields = [
  { name: "key", label: "Key", pointer: "key", first: "stand-up" },
  { name: "recipients", label: "To", pointer: "/recipients", first: "alex" },
  { name: "title", label: "Title", pointer: "/notification/title", first: "Stand-up in ten minutes" },
  { name: "body", label: "Body", pointer: "/notification/body", first: "" },
  { name: "cron", label: "Times (cron)", pointer: "/cron", first: "20 9 * * mon-fri" },
  { name: "time_zone", label: "Time zone, or recipient", pointer: "/time_zone", first: "recipient" },
] as const;

/** Stores a new schedule. Fires `stored` with its key. */
class ScheduleForm extends Part {
  #types: string[] = [];
  #error: unknown;
  #isBusy = false;

  constructor() {
    super();
    new Loop(this, async () => {
      this.#types = (await notificationTypes()).map(({ key }) => key);
      return undefined;
    });
  }

  #store = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (this.#isBusy) return;
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const given = (name: string) => String(form.get(name) ?? "").trim();
    const words = ["title", "body"].flatMap((name) => (given(name) ? [[name, given(name)]] : []));
    const body = {
      notification: { type: given("type"), ...Object.fromEntries(words) },
      recipients: recipientsIn(given("recipients")),
      cron: given("cron"),
      time_zone: given("time_zone"),
      missed: given("missed"),
    };
    this.#isBusy = true;
    this.#error = undefined;
    this.requestUpdate();
    try {
      await ask("PUT", `/v1/schedules/${encodeURIComponent(given("key"))}`, { body });
      this.dispatchEvent(new CustomEvent("stored", { detail: given("key") }));
    } catch (error) {
      this.#error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<form class="profile" @submit=${this.#store}>
      ${fields.map((field) => this.#field(field))}
      <label>Type
        <select name="type">${this.#types.map((key) => html`<option>${key}</option>`)}</select>
      </label>
      <label>Missed while no service ran
        <select name="missed">
          <option value="once">send the last one</option>
          <option value="skip">leave them out</option>
        </select>
      </label>
      <p class="hint">A schedule with the same key is replaced.</p>
      <p class="actions">
        <button type="submit" ?disabled=${this.#isBusy}>${this.#isBusy ? "Storing…" : "Store the schedule"}</button>
      </p>
      ${this.#error ? errorBox(this.#error) : nothing}
    </form>`;
  }

  #field({ name, label, pointer, first }: (typeof fields)[number]): TemplateResult {
    const details = this.#error instanceof BelfryClientError ? this.#error.details : [];
    const wrong = details.find((one) => one.pointer.startsWith(pointer));
    return html`<div>
      <label>${label}
        <input
          name=${name}
          autocomplete="off"
          ?required=${name !== "body" && name !== "title"}
          aria-invalid=${wrong ? "true" : nothing}
          aria-describedby=${`schedule-${name}-wrong`}
          value=${first}
        />
      </label>
      <p class="wrong" id=${`schedule-${name}-wrong`}>${wrong ? `It ${wrong.detail}.` : nothing}</p>
    </div>`;
  }
}

customElements.define("bf-schedule-form", ScheduleForm);
