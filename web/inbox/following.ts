import type { InboxItem } from "../../src/client/index.ts";
import { showPresence } from "./desktop.ts";
import type { InboxView, Session, Target } from "./session.ts";
import { join, type Seat } from "./share.ts";

/** Where this module came from. Without an address of its own, as in some bundles, it is the page's. */
function home(): string {
  const { origin } = new URL(import.meta.url);
  return origin === "null" ? location.origin : origin;
}

/** The inbox that a tag follows, and what it saw of it last. */
export class Following {
  readonly #onNews: (arrived: InboxItem[]) => void;
  #seat: Seat | undefined;
  /** Of the same inbox, by another token: shown until this one has it. */
  #before: InboxView | undefined;
  #endPresence = () => {};

  constructor(onNews: (arrived: InboxItem[]) => void) {
    this.#onNews = onNews;
  }

  /** Undefined: nobody's inbox. */
  get view(): InboxView | undefined {
    const view = this.#seat?.session.view;
    if (!view || view.isLoaded || !this.#before) return view;
    const { connection, error, troubledSince } = view;
    return { ...this.#before, connection, troubledSince, ...(error && { error }) };
  }

  get session(): Session | undefined {
    return this.#seat?.session;
  }

  /** Of all tags with this inbox it is the one that speaks up. */
  get leads(): boolean {
    return this.#seat?.leads() ?? false;
  }

  begin(target: Omit<Target, "server"> & { server: string | undefined }): void {
    if (this.#seat) return;
    this.#seat = join({ ...target, server: target.server || home() }, this.#onNews);
    this.#endPresence = showPresence(target.user);
    this.#onNews([]);
  }

  renewBy(getToken: Target["getToken"]): void {
    this.#seat?.renewBy(getToken);
  }

  end(): void {
    const { view } = this;
    this.#before = view?.isLoaded ? view : undefined;
    this.#seat?.leave();
    this.#seat = undefined;
    this.#endPresence();
  }

  /** Nothing of it is shown any more. */
  forget(): void {
    this.end();
    this.#before = undefined;
  }
}
