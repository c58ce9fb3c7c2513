import { openSession, type Session, type Target } from "./session.ts";

/** A tag's share of a session. Tags of a page with the same target share one session. */
export interface SessionShare {
  session: Session;
  /** True for exactly one of the tags, which announces new items. */
  leads(): boolean;
  /** Replaces the session's `getToken`. */
  setGetToken(getToken: Target["getToken"]): void;
  leave(): void;
}

export interface Listener {
  onChange(): void;
  /** Whether a reader can see the tag or hear its announcements. */
  isShown(): boolean;
  /** Whether the pointer or the focus is on Undo. */
  isUndoInUse(): boolean;
}
interface Shared {
  target: Target;
  session: Session;
  listeners: Set<Listener>;
  closing?: ReturnType<typeof setTimeout>;
}

/** A tag that is moved, or drawn again by a router, comes back within this time. */
const lingerMs = 2_000;
const sessions = new Set<Shared>();

export function join(target: Target, listener: Listener): SessionShare {
  const shared = [...sessions].find((one) => isSame(one.target, target)) ?? open(target);
  clearTimeout(shared.closing);
  shared.listeners.add(listener);
  const setGetToken = (getToken: Target["getToken"]) => {
    if (!getToken || getToken === shared.target.getToken) return;
    shared.target.getToken = getToken;
    if (shared.session.view.connection === "refused") shared.session.retry();
  };
  setGetToken(target.getToken);
  return {
    session: shared.session,
    setGetToken,
    leads() {
      const all = [...shared.listeners];
      return (all.find((one) => one.isShown()) ?? all[0]) === listener;
    },
    leave() {
      shared.listeners.delete(listener);
      if (shared.listeners.size > 0) return;
      // No tag is left in which a delete could be undone.
      shared.session.flush();
      shared.closing = setTimeout(() => {
        sessions.delete(shared);
        shared.session.close();
      }, lingerMs);
    },
  };
}

function open(target: Target): Shared {
  const listeners = new Set<Listener>();
  const all = () => [...listeners];
  const session = openSession(
    target,
    () => {
      for (const one of all()) one.onChange();
    },
    () => all().some((one) => one.isUndoInUse()),
  );
  const shared = { target, session, listeners };
  sessions.add(shared);
  return shared;
}

const isSame = (a: Target, b: Target): boolean =>
  a.server === b.server && a.user === b.user && a.token === b.token && a.tokenUrl === b.tokenUrl;
