import { html, type TemplateResult } from "lit";
import { serverNow } from "../api.ts";
import { moment } from "../feedback.ts";
import { Part } from "../part.ts";

/** `setTimeout` takes no more than 24 days. */
const longestMs = 60 * 60_000;

/** A time in the future, by the service's clock, which sets it. Once it has passed, `past` is shown. */
class Due extends Part {
  static override properties = {
    at: { attribute: false },
    label: { attribute: false },
    past: { attribute: false },
  };
  declare at: string;
  declare label: string;
  declare past: string;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  override render(): TemplateResult {
    clearTimeout(this.#timer);
    const left = Date.parse(this.at) - serverNow();
    if (left <= 0) return html`${this.past}`;
    this.#timer = setTimeout(() => this.requestUpdate(), Math.min(left, longestMs));
    return html`${this.label} ${moment(this.at, true)}`;
  }
}

/** The time of the next event. */
export const due = (at: string, label: string, past = "due now"): TemplateResult =>
  html`<bf-due .at=${at} .label=${label} .past=${past}></bf-due>`;

customElements.define("bf-due", Due);
