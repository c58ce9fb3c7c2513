import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { Loop, Part } from "../part.ts";
import type { Clock } from "../wire.ts";

/** Warns while the service's clock is virtual. */
class ClockNote extends Part {
  #isVirtual = false;

  constructor() {
    super();
    new Loop(this, async (signal) => {
      const { virtual } = await ask<Clock>("GET", "/v1/test/clock", { signal });
      this.#isVirtual = virtual;
      return undefined;
    });
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.#isVirtual) return nothing;
    return html`<p class="warn">
      The clock is virtual: tests move the time, and messages are captured.
    </p>`;
  }
}

customElements.define("bf-clock-note", ClockNote);
