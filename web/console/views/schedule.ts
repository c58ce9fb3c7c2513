import { html, nothing, type TemplateResult } from "lit";
import type { Job, JobPage, ScheduleRecord } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { backLink, facts, loadState, moment } from "../feedback.ts";
import { fullTime, plural, timeIn } from "../format.ts";
import { Loop, Part } from "../part.ts";

const againMs = 3_000;

/** One schedule with its next and its last occurrences. Fires `changed` and `gone`. */
class ScheduleView extends Part {
  static override properties = { key: { attribute: false } };
  declare key: string;
  #schedule: ScheduleRecord | undefined;
  #jobs: Job[] = [];
  #error: unknown;
  #loop = new Loop(this, async (signal) => {
    const query = { key: this.key, limit: 5 };
    const [schedule, jobs] = await Promise.all([
      ask<ScheduleRecord>("GET", this.#path(), { signal }),
      ask<JobPage>("GET", "/v1/jobs", { query, signal }),
    ]);
    this.#schedule = schedule;
    this.#jobs = jobs.data;
    return againMs;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("key") || !this.hasUpdated) return;
    this.#schedule = undefined;
    this.#error = undefined;
    this.#loop.restart();
  }

  #path(action = ""): string {
    return `/v1/schedules/${encodeURIComponent(this.key)}${action}`;
  }

  async #act(method: "POST" | "DELETE", action = ""): Promise<void> {
    this.#error = undefined;
    try {
      const answer = await ask<ScheduleRecord>(method, this.#path(action));
      if (method === "POST") this.#schedule = answer;
      this.querySelector("dialog")?.close();
      const name = method === "POST" ? "changed" : "gone";
      this.dispatchEvent(new CustomEvent(name, { detail: this.key }));
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  override render(): TemplateResult {
    return html`<section class="detail" aria-labelledby="schedule-title">
      ${backLink("#/schedules", "All schedules")}
      <h2 id="schedule-title"><bdi>${this.key}</bdi></h2>
      ${loadState(this.#loop)} ${this.#schedule ? this.#about(this.#schedule) : nothing}
    </section>`;
  }

  #about(one: ScheduleRecord): TemplateResult {
    const isPaused = one.status === "paused";
    const { title } = one.notification as { title?: string };
    return html`${facts([
      ["Status", one.status],
      ["Sends", title ? html`${one.type}: <bdi>${title}</bdi>` : one.type],
      [
        "To",
        html`${plural(one.recipient_count, "user")}: <bdi>${one.recipients.slice(0, 5).join(", ")}</bdi>${one.recipient_count > 5 ? ", …" : ""}`,
      ],
      [
        "Times",
        html`<code>${one.cron}</code> ${one.time_zone === "recipient" ? "in each recipient's zone" : one.time_zone}`,
      ],
      ["From", one.starts_at && moment(one.starts_at)],
      ["Until", one.ends_at && moment(one.ends_at)],
      ["Missed", one.missed === "once" ? "the last one is sent" : "left out"],
    ])}
      <h3>Next</h3>
      ${one.next.length === 0 ? html`<p class="soft">${isPaused ? "Nothing while it is paused." : "It has ended."}</p>` : nothing}
      ${one.next.map(
        (zone) => html`<p class="soft">${zone.time_zone}, ${plural(zone.recipient_count, "user")}</p>
          <ol class="plain next">${zone.at.map((at) => html`<li><time datetime=${at} title=${fullTime(at)}>${timeIn(zone.time_zone, at)}</time></li>`)}</ol>`,
      )}
      ${this.#jobs.length > 0 ? this.#last() : nothing}
      ${errorBox(this.#error)}
      <p class="actions">
        ${
          one.status === "ended"
            ? nothing
            : html`<button type="button" @click=${() => this.#act("POST", isPaused ? "/resume" : "/pause")}>
                ${isPaused ? "Resume" : "Pause"}
              </button>`
        }
        <button type="button" class="danger" @click=${() => this.querySelector("dialog")?.showModal()}>Delete…</button>
      </p>
      <dialog aria-labelledby="delete-title">
        <h2 id="delete-title">Delete <bdi>${this.key}</bdi>?</h2>
        <p>Nothing more is sent by it. To stop it for a while, pause it.</p>
        <p class="actions">
          <button type="button" class="danger main" @click=${() => this.#act("DELETE")}>Delete for good</button>
          <button type="button" autofocus @click=${() => this.querySelector("dialog")?.close()}>Keep</button>
        </p>
      </dialog>`;
  }

  #last(): TemplateResult {
    return html`<h3>Last</h3>
      <ol class="plain last">
        ${this.#jobs.map(
          ({ due, status, done, error }) => html`<li>
            ${moment(due, true)} ${status}: ${plural(done, "user")} notified${error ? html`. <span class="wrong">${error}</span>` : nothing}
          </li>`,
        )}
      </ol>`;
  }
}

customElements.define("bf-schedule", ScheduleView);
