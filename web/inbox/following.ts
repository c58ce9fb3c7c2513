import type { InboxItem, LiveView } from "../../src/client/index.ts";
import { showPresence } from "./desktop.ts";
import { serverOf } from "./server.ts";
import type { InboxView, Session, Target } from "./session.ts";
import { join, type Listener, type SessionShare } from "./share.ts";

/** The inbox that a tag follows, and its last view of it. */
export class Following {
  readonly #listener: Listener;
  #share: SessionShare | undefined;
  /** The last loaded view. It stays in sight while the tag connects again, or with another token. */
  #seen: InboxView | undefined;
  #endPresence = () => {};

  /** `onNews` gets the items that have arrived since its last call, newest first. */
  constructor(listener: Omit<Listener, "onChange">, onNews: (arrived: InboxItem[]) => void) {
    const onChange = () => {
      const { view } = this;
      const arrived = view && this.#seen ? itemsSince(this.#seen.rev, view) : [];
      if (view?.isLoaded) this.#seen = view;
      onNews(arrived);
    };
    this.#listener = { ...listener, onChange };
  }

  /** Undefined before `begin`. */
  get view(): InboxView | undefined {
    const view = this.#share?.session.view;
    if (!view || view.isLoaded || !this.#seen) return view;
    const { items, unread, unseen, total, rev, isLoaded, clockAhead } = this.#seen;
    return { ...view, items, unread, unseen, total, rev, isLoaded, clockAhead };
  }

  get session(): Session | undefined {
    return this.#share?.session;
  }

  /** True for one of the tags with this inbox: that one announces news. */
  get leads(): boolean {
    return this.#share?.leads() ?? false;
  }

  begin(target: Omit<Target, "server"> & { server: string | undefined }): void {
    if (this.#share) return;
    this.#share = join({ ...target, server: serverOf(target.server) }, this.#listener);
    this.#endPresence = showPresence(target.user);
    this.#listener.onChange();
  }

  setGetToken(getToken: Target["getToken"]): void {
    this.#share?.setGetToken(getToken);
  }

  end(): void {
    this.#share?.leave();
    this.#share = undefined;
    this.#endPresence();
  }

  /** Removes the view. */
  forget(): void {
    this.end();
    this.#seen = undefined;
  }
}

/** Items are in the order in which they were added. A smaller `rev` means that the inbox was erased: then no item is new. */
function itemsSince(rev: number, { items, rev: now }: LiveView): InboxItem[] {
  if (now < rev) return [];
  const end = items.findIndex((one) => one.created_rev <= rev);
  return items.slice(0, end < 0 ? items.length : end).filter((one) => !one.read);
}
