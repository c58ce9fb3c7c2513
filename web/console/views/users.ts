import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { empty, getStarted, loadState } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { pickLine } from "../parts/pick.ts";
import { addressOf, go } from "../route.ts";
import type { User, UserPage } from "../wire.ts";
import "./user.ts";

const pageSize = 50;

/** The list of users, and the open one. */
class Users extends Part {
  static override properties = { user: { attribute: false }, search: { attribute: false } };
  /** The open user's id. */
  declare user: string | undefined;
  declare search: string;
  #found: User[] = [];
  #cursor: string | undefined;
  #isBusy = false;
  #erased: string | undefined;
  #loop = new Loop(this, async (signal) => {
    const { data, next_cursor } = await this.#ask(undefined, signal);
    this.#found = data;
    this.#cursor = next_cursor;
    return undefined;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("search") && this.hasUpdated) this.#loop.restart();
    if (changed.has("user") && this.user !== undefined) this.#erased = undefined;
  }

  #ask(cursor: string | undefined, signal?: AbortSignal): Promise<UserPage> {
    const query = { limit: pageSize, q: this.search || undefined, cursor };
    return ask<UserPage>("GET", "/v1/users", { query, signal });
  }

  #more = async (): Promise<void> => {
    this.#isBusy = true;
    this.requestUpdate();
    try {
      const { data, next_cursor } = await this.#ask(this.#cursor);
      this.#found.push(...data);
      this.#cursor = next_cursor;
    } catch (error) {
      this.#loop.error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  #forget = async ({ detail }: CustomEvent<string>): Promise<void> => {
    this.#erased = detail;
    this.#loop.restart();
    go(addressOf("users", undefined, { q: this.search }));
    await this.updateComplete;
    this.querySelector("input")?.focus();
  };

  #search = (event: Event): void => {
    event.preventDefault();
    const q = String(new FormData(event.currentTarget as HTMLFormElement).get("q")).trim();
    go(addressOf("users", undefined, { q }));
  };

  override render(): TemplateResult {
    const { error, isFirst } = this.#loop;
    const isOpen = this.user !== undefined;
    const list = addressOf("users", undefined, { q: this.search });
    return html`<div class=${isOpen ? "beside users has-open" : "beside users"}>
      <div class="list-side">
        <h1>Users</h1>
        <form class="search" role="search" @submit=${this.#search}>
          <label>User id (or its beginning), e‑mail or phone
            <input name="q" type="search" maxlength="254" .value=${this.search} />
          </label>
          <button type="submit">Find</button>
        </form>
        <p role="status">${this.#erased ? html`<bdi>${this.#erased}</bdi> was erased.` : nothing}</p>
        ${loadState(this.#loop)}
        ${!isFirst && !error && this.#found.length === 0 ? this.#none() : nothing}
        <ul class="pick">${this.#found.map((one) => this.#line(one))}</ul>
        ${
          this.#cursor
            ? html`<button type="button" ?disabled=${this.#isBusy} @click=${this.#more}>Load more</button>`
            : nothing
        }
      </div>
      ${isOpen ? html`<bf-user .user=${this.user} .back=${list} @erased=${this.#forget}></bf-user>` : nothing}
    </div>`;
  }

  #none(): TemplateResult {
    if (!this.search)
      return empty(
        "There are no users yet.",
        html`The first notification to a user creates it. ${getStarted}`,
      );
    return empty(
      html`No user matches “<bdi>${this.search}</bdi>”.`,
      html`Enter an e-mail address in full, exactly as it is stored, and a phone number with its +.
        <a href=${addressOf("users", this.search)}>Create a user with this id</a>.`,
    );
  }

  #line({ id, email, phone }: User): TemplateResult {
    return pickLine({
      address: addressOf("users", id, { q: this.search }),
      isOpen: id === this.user,
      name: id,
      about: email ?? (phone ? "" : "no address"),
      end: phone,
    });
  }
}

customElements.define("bf-users", Users);
