import { html, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { Part } from "../part.ts";

/** Erases a user after a confirmation. Fires `erased`. */
class Erase extends Part {
  static override properties = { user: { attribute: false } };
  declare user: string;
  #error: unknown;
  #isBusy = false;

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  #open = (): void => {
    this.#error = undefined;
    this.requestUpdate();
    this.#dialog.showModal();
  };

  #erase = async (): Promise<void> => {
    this.#isBusy = true;
    this.#error = undefined;
    this.requestUpdate();
    try {
      await ask("DELETE", `/v1/users/${encodeURIComponent(this.user)}`);
      this.#dialog.close();
      this.dispatchEvent(new CustomEvent("erased", { detail: this.user, bubbles: true }));
    } catch (error) {
      this.#error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<button type="button" class="danger" @click=${this.#open}>Erase this user…</button>
      <dialog aria-labelledby="erase-title">
        <h2 id="erase-title">Erase <bdi>${this.user}</bdi>?</h2>
        <dl class="facts">
          <dt>Erased</dt>
          <dd>The profile, inbox, suppressed addresses and captured messages.</dd>
          <dt>Canceled</dt>
          <dd>Deliveries that have not been sent yet.</dd>
          <dt>Kept</dt>
          <dd>The number of deliveries, for the ledger, without the user and the content.</dd>
        </dl>
        <p>This cannot be undone. A later notification to this id creates a new user.</p>
        ${errorBox(this.#error, this.#erase)}
        <p class="actions">
          <button type="button" class="danger main" ?disabled=${this.#isBusy} @click=${this.#erase}>
            ${this.#isBusy ? "Erasing…" : "Erase for good"}
          </button>
          <button type="button" autofocus @click=${() => this.#dialog.close()}>Keep</button>
        </p>
      </dialog>`;
  }
}

customElements.define("bf-erase", Erase);
