import { LitElement, type ReactiveController } from "lit";
import { ApiError, keyGiven } from "./api.ts";

/** An element of the console. It has no shadow: the page is ours alone, and one stylesheet serves it. */
export class Part extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** Of the window: whether the service can be reached has changed. */
export const awayChanged = "belfry-away";
/** Those that have no answer: the page says so once, and not each of them. */
export const away = new Set<Loop>();
/** Of the whole service, and not of the one question. */
export const isAway = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === "unreachable" || error.code === "offline");

const slowMs = 4_000;
const firstPauseMs = 1_000;
const longestPauseMs = 15_000;

/**
 * Does something now and again while its element is on the page and the page is looked at. `run` resolves with the
 * milliseconds until the next time, or with nothing when once is enough. After a failure that may pass it comes back by
 * itself, later and later; what is to be said meanwhile is in `error`.
 */
export class Loop implements ReactiveController {
  error: unknown;
  /** Nothing has come yet. */
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

  /** From the beginning: what was there is another question's. */
  restart = (): void => {
    this.isFirst = true;
    this.error = undefined;
    this.again();
  };

  /** Now, whatever is under way. */
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

  /** Nobody looks at a hidden page: what is due then is done when it is seen again. */
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
