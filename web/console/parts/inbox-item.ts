import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import type { InboxItem as Item } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { empty, loadState, moment } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { addressOf } from "../route.ts";
import "./recall.ts";

const againMs = 3_000;

/** A notification as its user has it in the inbox. Without `user` it is looked for in all inboxes. */
class InboxItem extends Part {
  static override properties = { user: { attribute: false }, notification: { attribute: false } };
  declare user: string | undefined;
  declare notification: string;
  #found: { user: string; item: Item } | undefined;
  #loop = new Loop(this, async (signal) => {
    // The search through all inboxes is made once.
    const user = this.user ?? this.#found?.user;
    try {
      const path =
        user === undefined
          ? `/v1/notifications/${this.notification}`
          : `/v1/users/${encodeURIComponent(user)}/inbox/${this.notification}`;
      const { item, user_id } = await ask<{ item?: Item; user_id?: string }>("GET", path, { signal });
      this.#found = item && { user: user ?? (user_id as string), item };
    } catch (error) {
      if (!(error instanceof BelfryClientError) || error.status !== 404) throw error;
      this.#found = undefined;
      if (user === undefined) return undefined;
    }
    return againMs;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!this.hasUpdated || !(changed.has("user") || changed.has("notification"))) return;
    this.#found = undefined;
    this.#loop.restart();
  }

  override render(): TemplateResult {
    const { isFirst, error } = this.#loop;
    if (isFirst || error) return html`${loadState(this.#loop)}`;
    if (!this.#found)
      return this.user === undefined
        ? empty("There is no such notification.", "No delivery and no inbox item has this id.")
        : html`<p class="soft">Not in the inbox: it was never put there, was deleted, or has made room for newer ones.</p>`;
    const { user, item } = this.#found;
    const { type, title, body, read, archived, created_at, updated_at } = item;
    const state = archived ? "archived" : read ? "read" : "unread";
    return html`<div class="item">
      ${
        this.user === undefined
          ? html`<p>
              This notification has no deliveries. It is in the inbox of
              <a href=${addressOf("users", user)}><bdi>${user}</bdi></a>.
            </p>
            <p class="actions"><bf-recall .notification=${item.id} .user=${user}></bf-recall></p>`
          : nothing
      }
      <p>
        <strong>${state}</strong>
        <span class="soft">${type}, ${moment(created_at)}${read ? html`, changed ${moment(updated_at)}` : nothing}</span>
      </p>
      ${title ? html`<p dir="auto"><strong>${title}</strong></p>` : nothing}
      ${body ? html`<p dir="auto">${body}</p>` : nothing}
    </div>`;
  }
}

customElements.define("bf-inbox-item", InboxItem);
