import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { number } from "../format.ts";
import { Loop, Part } from "../part.ts";
import "../parts/inbox.ts";
import { errorBox } from "../error-box.ts";
import { loadState } from "../feedback.ts";
import { addressOf } from "../route.ts";
import type { Simulator } from "../wire.ts";

const againMs = 5_000;
/** The slider's steps: seconds between two notifications, slow to fast. */
const speeds = [60, 30, 10, 5, 2, 1, 0.5, 0.2, 0.1];

/** Starts and stops the simulator. */
class SimulatorView extends Part {
  #state: Simulator | undefined;
  #error: unknown;
  #loop = new Loop(this, async (signal) => {
    this.#state = await ask<Simulator>("GET", "/v1/simulator", { signal });
    return againMs;
  });

  #set = async (change: Partial<Simulator>): Promise<void> => {
    this.#error = undefined;
    try {
      this.#state = await ask<Simulator>("PUT", "/v1/simulator", { body: change });
    } catch (error) {
      this.#error = error;
    }
    this.#loop.again();
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<div class="two">
      <div class="simulator">
        <h1>Simulator</h1>
        <p class="lead">Sends example notifications, so that there is something to watch.</p>
        ${loadState(this.#loop)}
        ${this.#state ? this.#controls(this.#state) : nothing}
        ${errorBox(this.#error)}
        <p>
          It notifies ${user("alex")}, ${user("bob")}, ${user("carol")} or ${user("dan")} at random about a message, an
          expiring subscription or a completed profile. Watch it <a href="#/live">live</a> or in an inbox.
        </p>
        <p class="soft">
          It runs in the process that answers here; other processes have their own. A restart resets it to
          SIMULATOR_INTERVAL_SECONDS.
        </p>
      </div>
      <section class="happened" aria-labelledby="happened">
        <h2 id="happened">One of the inboxes</h2>
        <bf-inbox .user=${"alex"}></bf-inbox>
      </section>
    </div>`;
  }

  #controls({ running, interval_seconds: interval }: Simulator): TemplateResult {
    const pace = paceOf(interval);
    const chosen = (event: Event) =>
      this.#set({ interval_seconds: speeds[Number((event.target as HTMLInputElement).value)] as number });
    return html`<div class="dial">
      <p class="big" role="status">${running ? `Running: ${pace}.` : "Stopped."}</p>
      <label>Speed ${running ? nothing : html`<span class="soft">(${pace})</span>`}
        <input
          type="range"
          min="0"
          max=${speeds.length - 1}
          aria-valuetext=${pace}
          .value=${String(nearest(interval))}
          @change=${chosen}
        />
      </label>
      <p class="actions">
        <button type="button" class=${running ? "" : "main"} @click=${() => this.#set({ running: !running })}>
          ${running ? "Stop" : "Start"}
        </button>
      </p>
    </div>`;
  }
}

const user = (id: string): TemplateResult => html`<a href=${addressOf("users", id)}>${id}</a>`;

/** The closest step that is not slower: another client may have set any speed. */
function nearest(interval: number): number {
  const step = speeds.findIndex((one) => one <= interval);
  return step < 0 ? speeds.length - 1 : step;
}

function paceOf(seconds: number): string {
  if (seconds === 1) return "one notification a second";
  return seconds < 1
    ? `${number(1 / seconds)} notifications a second`
    : `one notification every ${number(seconds)} s`;
}

customElements.define("bf-simulator", SimulatorView);
