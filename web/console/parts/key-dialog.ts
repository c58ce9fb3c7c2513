import { html, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/** Characters that fit into a header, as in each of API_KEYS. */
const keyForm = "Printable ASCII characters without spaces";

/** Asks for the API key. */
export class KeyDialog extends Part {
  #why = "";
  #answer: ((text: string | undefined) => void) | undefined;

  /** Resolves with the key, or with undefined when the operator declines. */
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
        <h2 id="key-title">API key required</h2>
        <p>${this.#why}</p>
        <label>API key
          <input name="key" type="password" autocomplete="off" required pattern="\\s*[!-~]+\\s*" title=${keyForm} />
        </label>
        <p class="soft">It stays in this tab until you close it.</p>
        <p class="actions">
          <button class="main" type="submit">Continue</button>
          <button type="button" @click=${() => this.#end(undefined)}>Not now</button>
        </p>
      </form>
    </dialog>`;
  }
}
