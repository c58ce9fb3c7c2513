import { html, nothing, type TemplateResult } from "lit";
import type { Schedule, SchedulePage } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { empty, loadState, moment } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { pickLine } from "../parts/pick.ts";
import { addressOf, go } from "../route.ts";
import "./schedule.ts";
import "./schedule-form.ts";

/** The largest page of the API. */
const pageSize = 100;
const againMs = 5_000;

/** What is sent again and again, and the open schedule. */
class Schedules extends Part {
  static override properties = { open: { attribute: false } };
  /** The key of the open schedule. */
  declare open: string | undefined;
  #found: Schedule[] = [];
  #more = false;
  #deleted: string | undefined;
  #loop = new Loop(this, async (signal) => {
    const query = { limit: pageSize };
    const { data, next_cursor } = await ask<SchedulePage>("GET", "/v1/schedules", { query, signal });
    this.#found = data;
    this.#more = next_cursor !== undefined;
    return againMs;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("open") && this.open !== undefined) this.#deleted = undefined;
  }

  #stored = ({ detail }: CustomEvent<string>): void => {
    this.#loop.again();
    go(addressOf("schedules", detail));
  };

  #gone = ({ detail }: CustomEvent<string>): void => {
    this.#deleted = detail;
    this.#loop.again();
    go("#/schedules");
  };

  override render(): TemplateResult {
    const isOpen = this.open !== undefined;
    const { isFirst, error } = this.#loop;
    return html`<div class=${isOpen ? "beside has-open" : "beside"}>
      <div class="list-side">
        <h1>Schedules</h1>
        <p class="soft">Notifications that are sent again and again.</p>
        <p role="status">${this.#deleted ? html`<bdi>${this.#deleted}</bdi> was deleted.` : nothing}</p>
        ${loadState(this.#loop)}
        ${!isFirst && !error && this.#found.length === 0 ? empty("There are no schedules yet.", "Make one below.") : nothing}
        <ul class="pick">${this.#found.map((one) => this.#line(one))}</ul>
        ${this.#more ? html`<p class="soft">These are the first ${pageSize}.</p>` : nothing}
        <details>
          <summary>New schedule</summary>
          <bf-schedule-form @stored=${this.#stored}></bf-schedule-form>
        </details>
      </div>
      ${
        isOpen
          ? html`<bf-schedule .key=${this.open} @changed=${this.#loop.again} @gone=${this.#gone}></bf-schedule>`
          : nothing
      }
    </div>`;
  }

  #line({ key, status, cron, time_zone: zone, next_at: next }: Schedule): TemplateResult {
    return pickLine({
      address: addressOf("schedules", key),
      isOpen: key === this.open,
      name: key,
      about: `${cron} ${zone}`,
      end: next ? moment(next, true) : status,
    });
  }
}

customElements.define("bf-schedules", Schedules);
