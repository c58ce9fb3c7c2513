import type { InboxItem, LiveView } from "../../src/client/index.ts";
import { showPresence } from "./desktop.ts";
import type { InboxView, Session, Target } from "./session.ts";
import { join, type Listener, type Seat } from "./share.ts";

/** Where this module came from. Without an address of its own, as in some bundles, it is the page's. */
function home(): string {
  const { origin } = new URL(import.meta.url);
  return origin === "null" ? location.origin : origin;
}

/** As every address in a page it may be a relative one. */
const whole = (server: string): string =>
  URL.canParse(server, document.baseURI) ? new URL(server, document.baseURI).href : server;

/** The inbox that a tag follows, and what it saw of it last. */
export class Following {
  readonly #listener: Listener;
  #seat: Seat | undefined;
  /** What it saw last. By another token, or after it was away, that is shown until there is more. */
  #seen: InboxView | undefined;
  #endPresence = () => {};

  /** `onNews` gets what has come since it heard last, newest first. */
  constructor(isShown: () => boolean, onNews: (arrived: InboxItem[]) => void) {
    const hear = () => {
      const { view } = this;
      const arrived = view && this.#seen ? itemsSince(this.#seen.rev, view) : [];
      if (view?.isLoaded) this.#seen = view;
      onNews(arrived);
    };
    this.#listener = { hear, isShown };
  }

  /** Undefined: nobody's inbox. */
  get view(): InboxView | undefined {
    const view = this.#seat?.session.view;
    if (!view || view.isLoaded || !this.#seen) return view;
    const { items, unread, total, rev, isLoaded, clockAhead } = this.#seen;
    return { ...view, items, unread, total, rev, isLoaded, clockAhead };
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
    this.#seat = join({ ...target, server: whole(target.server || home()) }, this.#listener);
    this.#endPresence = showPresence(target.user);
    this.#listener.hear();
  }

  renewBy(getToken: Target["getToken"]): void {
    this.#seat?.renewBy(getToken);
  }

  end(): void {
    this.#seat?.leave();
    this.#seat = undefined;
    this.#endPresence();
  }

  /** Nothing of it is shown any more. */
  forget(): void {
    this.end();
    this.#seen = undefined;
  }
}

/** Items lie in the order in which they came. A smaller `rev` is that of an inbox that was erased: then nothing is news. */
function itemsSince(rev: number, { items, rev: now }: LiveView): InboxItem[] {
  if (now < rev) return [];
  const end = items.findIndex((one) => one.created_rev <= rev);
  return items.slice(0, end < 0 ? items.length : end).filter((one) => !one.read);
}
