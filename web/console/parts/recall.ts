import { html, nothing, type TemplateResult } from "lit";
import type { RecallAnswer, RecallReceipt } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { moment } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { Part } from "../part.ts";

const resultText: Record<RecallReceipt["result"], string> = {
  stopped: "Stopped: it is not sent.",
  withdrawn: "Taken out of the inbox, on every open page.",
  in_flight: "Being sent at this moment. If that fails, it is not tried again.",
  too_late: "Too late: it was sent.",
  nothing: "It had ended without being sent, and stays so.",
};

/** Takes a notification back from its user after a confirmation, and shows the receipt. Fires `recalled`. */
class Recall extends Part {
  static override properties = { notification: { attribute: false }, user: { attribute: false } };
  declare notification: string;
  declare user: string;
  #receipts: RecallReceipt[] | undefined;
  #error: unknown;
  #isBusy = false;

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  #open = (): void => {
    this.#error = undefined;
    this.#receipts = undefined;
    this.requestUpdate();
    this.#dialog.showModal();
  };

  #recall = async (): Promise<void> => {
    this.#isBusy = true;
    this.#error = undefined;
    this.requestUpdate();
    try {
      const body = { id: this.notification, user_id: this.user };
      const { users } = await ask<RecallAnswer>("POST", "/v1/notifications/recall", { body });
      this.#receipts = users.flatMap(({ receipts }) => receipts);
      this.dispatchEvent(new CustomEvent("recalled", { bubbles: true }));
    } catch (error) {
      this.#error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<button type="button" @click=${this.#open}>Take back…</button>
      <dialog aria-labelledby="recall-title">
        <h2 id="recall-title">Take this notification back from <bdi>${this.user}</bdi>?</h2>
        <div role="status">${this.#receipts ? receiptList(this.#receipts) : nothing}</div>
        ${
          this.#receipts
            ? nothing
            : html`<p>
                It leaves the inbox, and messages that have not been sent are not sent, also by a later retry. Sent messages
                stay where they are. This cannot be undone.
              </p>`
        }
        ${errorBox(this.#error, this.#recall)}
        <p class="actions">
          ${
            this.#receipts
              ? nothing
              : html`<button type="button" class="danger main" ?disabled=${this.#isBusy} @click=${this.#recall}>
                  ${this.#isBusy ? "Taking back…" : "Take back"}
                </button>`
          }
          <button type="button" autofocus @click=${() => this.#dialog.close()}>${this.#receipts ? "Close" : "Keep"}</button>
        </p>
      </dialog>`;
  }
}

const receiptList = (receipts: RecallReceipt[]): TemplateResult =>
  receipts.length === 0
    ? html`<p>Nothing was found: the notification is no longer in the inbox, and has no deliveries.</p>`
    : html`<dl class="facts">
        ${receipts.map(
          ({ channel, result, sent_at }) => html`<dt>${channelName(channel)}</dt>
            <dd>${resultText[result]} ${sent_at ? moment(sent_at) : nothing}</dd>`,
        )}
      </dl>`;

customElements.define("bf-recall", Recall);
