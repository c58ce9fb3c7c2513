import { LitElement, type ReactiveController } from "lit";
import { BelfryClientError } from "../../src/client/error.ts";
import { keyGiven } from "./api.ts";

/** An element of the console. It has no shadow root, so that one stylesheet serves the whole page. */
export class Part extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** Window event: the service became reachable or unreachable. */
export const awayChanged = "belfry-away";
/** Loops that cannot reach the service: the page says so once for all of them. */
export const away = new Set<Loop>();
/** The service cannot be reached at all, whatever was asked. */
export const isAway = (error: unknown): boolean =>
  error instanceof BelfryClientError && error.code === "unreachable";

const slowMs = 4_000;
const firstPauseMs = 1_000;
const longestPauseMs = 15_000;

/**
 * Repeats a request while its element is on the page and the page is visible. `run` resolves with the milliseconds until
 * the next time, or with undefined when once is enough. After a temporary failure it retries with growing pauses; `error`
 * has the failure in the meantime.
 */
export class Loop implements ReactiveController {
  error: unknown;
  /** There was no answer yet. */
  isFirst = true;
  /** The answer takes longer than it should. */
  isSlow = false;
  #host: LitElement;
  #run: (signal: AbortSignal) => Promise<number | undefined>;
  #current = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #slow: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #isBusy = false;
  #isWanted = false;

  constructor(host: LitElement, run: (signal: AbortSignal) => Promise<number | undefined>) {
    this.#host = host;
    this.#run = run;
    host.addController(this);
  }

  hostConnected(): void {
    document.addEventListener("visibilitychange", this.#look);
    addEventListener("online", this.again);
    addEventListener(keyGiven, this.#retry);
    this.again();
  }

  hostDisconnected(): void {
    document.removeEventListener("visibilitychange", this.#look);
    removeEventListener("online", this.again);
    removeEventListener(keyGiven, this.#retry);
    this.#stop();
    this.#tell(false);
  }

  /** Starts over, with another question. */
  restart = (): void => {
    this.isFirst = true;
    this.error = undefined;
    this.again();
  };

  /** Asks now, and gives up a request under way. */
  again = (): void => {
    this.#stop();
    this.#current = new AbortController();
    void this.#go(this.#current.signal);
  };

  #retry = (): void => {
    if (this.error !== undefined) this.again();
  };

  #stop(): void {
    this.#current.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#slow);
    this.isSlow = false;
    this.#isBusy = false;
    this.#isWanted = false;
  }

  #tell(isGone: boolean): void {
    if (isGone) away.add(this);
    else if (!away.delete(this)) return;
    dispatchEvent(new Event(awayChanged));
  }

  /** A hidden page asks nothing; it catches up when it is visible again. */
  #look = (): void => {
    if (!document.hidden && this.#isWanted && !this.#isBusy) this.again();
  };

  async #go(signal: AbortSignal): Promise<void> {
    this.#isBusy = true;
    this.#isWanted = false;
    this.#slow = setTimeout(() => {
      this.isSlow = true;
      this.#host.requestUpdate();
    }, slowMs);
    let next: number | undefined;
    try {
      next = await this.#run(signal);
      if (signal.aborted) return;
      this.error = undefined;
      this.isFirst = false;
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      const { status = 0, retryAfter = 0 } = error as { status?: number; retryAfter?: number };
      const passes = status === 0 || status === 429 || status >= 500;
      const pause = Math.min(firstPauseMs * 2 ** this.#failures++, longestPauseMs);
      next = passes ? Math.max(pause, retryAfter * 1_000) : undefined;
    }
    clearTimeout(this.#slow);
    this.isSlow = false;
    this.#isBusy = false;
    this.#tell(isAway(this.error));
    this.#host.requestUpdate();
    if (next !== undefined)
      this.#timer = setTimeout(() => {
        this.#isWanted = true;
        this.#look();
      }, next);
  }
}
