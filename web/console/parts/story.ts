import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { loadState, moment } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { Loop, Part } from "../part.ts";
import type { NotificationStory } from "../wire.ts";

const againMs = 3_000;

/** The result of a notification on every channel, and the rule behind it. */
class Story extends Part {
  static override properties = { notification: { attribute: false }, user: { attribute: false } };
  declare notification: string;
  declare user: string;
  #story: NotificationStory | undefined;
  #loop = new Loop(this, async (signal) => {
    const path = `/v1/notifications/${encodeURIComponent(this.notification)}`;
    this.#story = await ask<NotificationStory>("GET", path, { query: { user_id: this.user }, signal });
    return againMs;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("notification") || !this.hasUpdated) return;
    this.#story = undefined;
    this.#loop.restart();
  }

  override render(): TemplateResult {
    return html`${loadState(this.#loop)}
      <ol class="timeline">
        ${this.#story?.events.map(
          ({ at, channel, text, rule }) => html`<li>
            ${moment(at)}
            <p>
              ${channel ? html`<strong>${channelName(channel)}</strong> ` : nothing}<span dir="auto">${text}</span>
              ${rule ? html`<code>${rule}</code>` : nothing}
            </p>
          </li>`,
        )}
      </ol>`;
  }
}

customElements.define("bf-story", Story);
