import { html, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { Part } from "../part.ts";

/** Erases a user, once it has been said what that means. Tells of it by `erased`. */
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
          <dd>Profile, inbox, suppressed addresses and captured messages.</dd>
          <dt>Canceled</dt>
          <dd>What is still to be sent.</dd>
          <dt>Kept</dt>
          <dd>Deliveries as a mere count, for the ledger: not whose they were, nor what they said.</dd>
        </dl>
        <p>This cannot be undone. What is sent to this id later begins anew.</p>
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
