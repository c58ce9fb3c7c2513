import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { count, plural } from "../format.ts";
import { Part } from "../part.ts";
import "../parts/provider-health.ts";
import type { Redrive } from "../wire.ts";

interface Sum {
  sent: number;
  already: number;
  suppressed: number;
  no_address: number;
  expired: number;
  changed: number;
}
type Step = "counting" | "counted" | "sending" | "sent";

/** Sends deliveries again that match the filters and did not arrive: counts them, asks, then does it. */
class RedriveDialog extends Part {
  static override properties = { filters: { attribute: false } };
  declare filters: string;
  #step: Step = "counting";
  #sum = nothingYet();
  #planned = 0;
  /** The cursor to resume from after an error. */
  #cursor: string | undefined;
  #error: unknown;
  #isOpen = false;
  #work = new AbortController();
  /** The filters at the time of the count. */
  #filters: Record<string, string> = {};

  /** Leaving the view stops it. */
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#work.abort();
  }

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  #open = (): void => {
    this.#isOpen = true;
    this.#filters = Object.fromEntries(new URLSearchParams(this.filters));
    this.#dialog.showModal();
    void this.#begin("counting");
  };

  #begin = async (step: "counting" | "sending"): Promise<void> => {
    this.#step = step;
    this.#sum = nothingYet();
    this.#cursor = undefined;
    await this.#goOn();
  };

  /** In parts; each stays done, so it can resume after an error. */
  #goOn = async (): Promise<void> => {
    this.#error = undefined;
    this.#work.abort();
    this.#work = new AbortController();
    const { signal } = this.#work;
    const isDry = this.#step === "counting";
    try {
      do {
        this.requestUpdate();
        const body = { ...this.#filters, dry_run: isDry, ...(this.#cursor && { cursor: this.#cursor }) };
        const done = await ask<Redrive>("POST", "/v1/deliveries/redrive", { body, signal });
        this.#add(done);
        this.#cursor = done.more ? done.next_cursor : undefined;
      } while (this.#cursor !== undefined && !signal.aborted);
      if (isDry) this.#planned = this.#sum.sent;
      this.#step = isDry ? "counted" : "sent";
    } catch (error) {
      if (!signal.aborted) this.#error = error;
    }
    this.requestUpdate();
  };

  #add(done: Redrive): void {
    const sum = this.#sum;
    sum.sent += done.would_send ?? done.redriven ?? 0;
    sum.already += done.already_sent ?? 0;
    for (const name of ["suppressed", "no_address", "expired", "changed"] as const) sum[name] += done[name];
  }

  #closed = (): void => {
    this.#isOpen = false;
    this.requestUpdate();
    this.#work.abort();
    if (this.#step === "sent" || this.#step === "sending") this.dispatchEvent(new Event("done"));
  };

  override render(): TemplateResult {
    const again = `Send ${plural(this.#planned, "delivery", "deliveries")} again`;
    const isAsking = this.#step === "counted" && this.#planned > 0;
    const isUnderWay = this.#step === "sending" && !this.#error;
    return html`<button type="button" @click=${this.#open}>Redrive…</button>
      <dialog aria-labelledby="redrive-title" @close=${this.#closed}>
        <h2 id="redrive-title">Redrive: send deliveries again</h2>
        <p class="soft">
          ${this.#scope} Deliveries that have arrived are left alone. Each keeps its id, so nobody is notified twice.
        </p>
        ${
          this.#isOpen
            ? html`<bf-provider-alert
                .channels=${this.#filters.channel ? [this.#filters.channel] : undefined}
                .note=${"Deliveries sent again now wait until it works."}
              ></bf-provider-alert>`
            : nothing
        }
        <div role="status">${this.#progress()}</div>
        ${this.#error ? errorBox(this.#error, this.#goOn) : nothing}
        <p class="actions">
          ${
            isAsking
              ? html`<button type="button" class="main" @click=${() => this.#begin("sending")}>${again}</button>`
              : nothing
          }
          <button type="button" @click=${() => this.#dialog.close()}>${isUnderWay ? "Stop" : "Close"}</button>
        </p>
      </dialog>`;
  }

  get #scope(): string {
    const { status, ...rest } = this.#filters;
    const which = status ? `Deliveries that are ${status.split(",").join(" or ")}` : "Failed deliveries";
    return `${which}${Object.keys(rest).length ? " that match the filters" : ""}.`;
  }

  #progress(): TemplateResult {
    const { sent, already, suppressed, no_address, expired, changed } = this.#sum;
    const left: Array<[number, string]> = [
      [already, "Skipped, already sent"],
      [suppressed, "Skipped, the address is suppressed"],
      [no_address, "Skipped, no address"],
      [expired, "Skipped, expired"],
      [changed, "Already sent again by another call"],
    ];
    const isDoing = this.#step === "sending" || this.#step === "sent";
    const isOpen = this.#step === "sending" || this.#step === "counting";
    const what = isDoing ? "queued again" : "would be sent again";
    const most = Math.max(1, this.#planned);
    return html`
      ${isDoing ? html`<progress max=${most} .value=${sent} aria-label="Sent again"></progress>` : nothing}
      <p class="big">${plural(sent, "delivery", "deliveries")} ${what}${isOpen ? " so far…" : "."}</p>
      <ul class="plain">
        ${left.map(([amount, why]) => (amount ? html`<li>${why}: ${count(amount)}</li>` : nothing))}
      </ul>`;
  }
}

const nothingYet = (): Sum => ({ sent: 0, already: 0, suppressed: 0, no_address: 0, expired: 0, changed: 0 });

customElements.define("bf-redrive", RedriveDialog);
