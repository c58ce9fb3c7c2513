import { html, nothing, type TemplateResult } from "lit";
import type { Broadcast, BroadcastPage } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { empty, loadState } from "../feedback.ts";
import { count } from "../format.ts";
import { Loop, Part } from "../part.ts";
import { pickLine } from "../parts/pick.ts";
import { addressOf } from "../route.ts";
import "./broadcast.ts";
import "./broadcast-form.ts";
import { audienceName, isOpen, statusName } from "./broadcast-words.ts";

const pageSize = 50;
const soonMs = 1_500;
const laterMs = 10_000;
/** In place of an id. */
const form = "new";

/** The list of broadcasts, the open one, and the form for another. */
class Broadcasts extends Part {
  static override properties = { open: { attribute: false } };
  declare open: string | undefined;
  #found: Broadcast[] = [];
  #loop = new Loop(this, async (signal) => {
    const query = { limit: pageSize };
    ({ data: this.#found } = await ask<BroadcastPage>("GET", "/v1/broadcasts", { query, signal }));
    return this.#found.some(isOpen) ? soonMs : laterMs;
  });

  override render(): TemplateResult {
    const isBeside = this.open !== undefined;
    return html`<div class=${isBeside ? "beside has-open" : "beside"}>
      <div class="list-side">
        <h1>Broadcasts</h1>
        <p class="lead">One notification to many users. It goes out in the background, and single notifications overtake it.</p>
        <p class="actions"><a class="button main" href=${addressOf("broadcasts", form)}>New broadcast</a></p>
        ${loadState(this.#loop)}
        ${
          !this.#loop.isFirst && this.#found.length === 0
            ? empty(
                "There are no broadcasts yet.",
                html`<a href=${addressOf("broadcasts", form)}>Begin one</a>.`,
              )
            : nothing
        }
        <ul class="pick">${this.#found.map((one) => this.#line(one))}</ul>
      </div>
      ${
        this.open === form
          ? html`<bf-broadcast-form @stored=${this.#loop.again}></bf-broadcast-form>`
          : isBeside
            ? html`<bf-broadcast .broadcast=${this.open} @changed=${this.#loop.again}></bf-broadcast>`
            : nothing
      }
    </div>`;
  }

  #line(one: Broadcast): TemplateResult {
    const { id, type, notified, total, status } = one;
    return pickLine({
      address: addressOf("broadcasts", id),
      isOpen: id === this.open,
      name: audienceName(one.to),
      about: `${type}, ${statusName(one)}`,
      end:
        total === undefined || status === "done" ? count(notified) : `${count(notified)} of ${count(total)}`,
    });
  }
}

customElements.define("bf-broadcasts", Broadcasts);
