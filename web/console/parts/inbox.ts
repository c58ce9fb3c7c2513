import { html, nothing, type TemplateResult } from "lit";
import { ApiError, ask, key } from "../api.ts";
import { loadState } from "../feedback.ts";
import { Loop, Part } from "../part.ts";
import { shownTheme, themeChanged } from "../theme.ts";

/** The element that anyone can embed, from where anyone has it. */
const source = "/inbox.js";

/** A user's inbox, exactly as they see it: `<belfry-inbox>`, with a token of theirs where keys are asked for. */
class Inbox extends Part {
  static override properties = { user: { attribute: false } };
  declare user: string;
  /** Keys are asked for: then the element wants tokens. */
  #hasKey = false;
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
    if (changed.has("user") && this.hasUpdated) this.#loop.restart();
  }

  async #prepare(signal: AbortSignal): Promise<undefined> {
    await import(/* @vite-ignore */ source).catch(() => {
      throw new ApiError(`The inbox's own program, ${source}, cannot be loaded.`, { code: "no_inbox" });
    });
    // Whether there is a key is known once an answer has come that wants one.
    await ask("GET", `${this.#path}/inbox`, { query: { limit: 1 }, signal });
    this.#hasKey = key.get() !== undefined;
    if (this.#hasKey) await this.#getToken();
    return undefined;
  }

  get #path(): string {
    return `/v1/users/${encodeURIComponent(this.user)}`;
  }

  #getToken = async (): Promise<string> =>
    (await ask<{ token: string }>("POST", `${this.#path}/token`, { body: {} })).token;

  override render(): TemplateResult {
    const { error, isFirst } = this.#loop;
    const isOff = error instanceof ApiError && error.code === "tokens_off";
    return html`<section class="inbox-frame" aria-label=${`The inbox of ${this.user}`}>
      <h3>Inbox of <bdi>${this.user}</bdi></h3>
      ${isOff ? noTokens : loadState(this.#loop)}
      ${error || isFirst ? nothing : this.#inbox()}
    </section>`;
  }

  #inbox(): TemplateResult {
    const getToken = this.#hasKey ? this.#getToken : undefined;
    return html`<div class="inbox-window">
      <belfry-inbox inline user=${this.user} theme=${shownTheme()} .getToken=${getToken}></belfry-inbox>
    </div>`;
  }
}

const noTokens = html`<p class="soft">
  With API keys on, an inbox is opened by a user's token, and this server makes none: set TOKEN_SECRET to see it here.
</p>`;

customElements.define("bf-inbox", Inbox);
