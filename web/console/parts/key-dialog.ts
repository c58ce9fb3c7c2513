import { html, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/** What fits into a header, as each of API_KEYS does. */
const keyForm = "Letters, digits and signs without spaces";

/** Asks for the API key. */
export class KeyDialog extends Part {
  #why = "";
  #answer: ((text: string | undefined) => void) | undefined;

  /** Resolves with what is given; undefined: nothing is. */
  async ask(why: string): Promise<string | undefined> {
    this.#why = why;
    this.requestUpdate();
    await this.updateComplete;
    this.#dialog.showModal();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  #give = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const text = String(new FormData(form).get("key")).trim();
    form.reset();
    this.#end(text || undefined);
    this.dispatchEvent(new Event("given"));
  };

  #end(text: string | undefined): void {
    this.#answer?.(text);
    this.#answer = undefined;
    this.#dialog.close();
  }

  override render(): TemplateResult {
    return html`<dialog aria-labelledby="key-title" @close=${() => this.#answer && this.#end(undefined)}>
      <form @submit=${this.#give}>
        <h2 id="key-title">An API key</h2>
        <p>${this.#why}</p>
        <label>API key
          <input name="key" type="password" autocomplete="off" required pattern="\\s*[!-~]+\\s*" title=${keyForm} />
        </label>
        <p class="soft">It is kept in this tab, and gone with it.</p>
        <p class="actions">
          <button class="main" type="submit">Go on</button>
          <button type="button" @click=${() => this.#end(undefined)}>Not now</button>
        </p>
      </form>
    </dialog>`;
  }
}
