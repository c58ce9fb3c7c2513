import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask, key, serviceUrl } from "../api.ts";
import { loadState } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { shownTheme, themeChanged } from "../theme.ts";

/** The element that any page can embed, from its public address. */
const source = serviceUrl("/inbox.js");

/** A user's inbox, exactly as they see it: `<belfry-inbox>`, with a token of theirs when the service needs keys. */
class Inbox extends Part {
  static override properties = { user: { attribute: false } };
  declare user: string;
  /** The service needs keys: then the element needs tokens. */
  #hasKey = false;
  #unseen = 0;
  #loop = new Loop(this, (signal) => this.#prepare(signal));

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener(themeChanged, this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener(themeChanged, this.#redraw);
  }

  #redraw = (): void => this.requestUpdate();

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("user") || !this.hasUpdated) return;
    this.#unseen = 0;
    this.#loop.restart();
  }

  async #prepare(signal: AbortSignal): Promise<undefined> {
    await import(/* @vite-ignore */ source).catch(() => {
      throw new BelfryClientError(`The inbox cannot be loaded from ${source}.`, { code: "no_inbox" });
    });
    // Whether a key is needed is known after the first answer.
    await ask("GET", `${this.#path}/inbox`, { query: { limit: 1 }, signal });
    this.#hasKey = key.get() !== undefined;
    if (this.#hasKey) await this.#getToken();
    return undefined;
  }

  #onCount = ({ detail }: CustomEvent<{ unseen: number }>): void => {
    this.#unseen = detail.unseen;
    this.requestUpdate();
  };

  get #path(): string {
    return `/v1/users/${encodeURIComponent(this.user)}`;
  }

  #getToken = async (): Promise<string> =>
    (await ask<{ token: string }>("POST", `${this.#path}/token`, { body: {} })).token;

  override render(): TemplateResult {
    const { error, isFirst } = this.#loop;
    const isOff = error instanceof BelfryClientError && error.code === "tokens_off";
    return html`<section class="inbox-frame" aria-label=${`The inbox of ${this.user}`}>
      <h3>
        Inbox of <bdi>${this.user}</bdi>
        ${this.#unseen > 0 ? html`<span class="soft">${this.#unseen} not seen yet</span>` : nothing}
      </h3>
      ${isOff ? noTokens : loadState(this.#loop)}
      ${error || isFirst ? nothing : this.#inbox()}
    </section>`;
  }

  #inbox(): TemplateResult {
    const getToken = this.#hasKey ? this.#getToken : undefined;
    // With this badge an operator's look marks nothing as seen.
    return html`<div class="inbox-window">
      <belfry-inbox inline badge="unread" user=${this.user} theme=${shownTheme()} .getToken=${getToken}
        @belfry-count=${this.#onCount}></belfry-inbox>
    </div>`;
  }
}

const noTokens = html`<p class="soft">
  With API keys, an inbox is opened with a user token, and this server cannot issue any. Set TOKEN_SECRET to see inboxes here.
</p>`;

customElements.define("bf-inbox", Inbox);
