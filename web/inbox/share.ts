import { openSession, type Session, type Target } from "./session.ts";

/** A tag's part of a session. Tags of a page that want the same share one. */
export interface Seat {
  session: Session;
  /** True for one of the tags: news is announced once. */
  leads(): boolean;
  /** Gets tokens in this way from now on. */
  renewBy(getToken: Target["getToken"]): void;
  leave(): void;
}

export interface Listener {
  hear(): void;
  /** Whether somebody can see it, or hear of it. */
  isShown(): boolean;
  /** Whether the pointer or the focus is on Undo. */
  isUndoInUse(): boolean;
}
interface Table {
  target: Target;
  session: Session;
  listeners: Set<Listener>;
  closing?: ReturnType<typeof setTimeout>;
}

/** A tag that is moved, or drawn again by a router, comes back within this time and misses nothing. */
const lingerMs = 2_000;
const tables = new Set<Table>();

export function join(target: Target, listener: Listener): Seat {
  const table = [...tables].find((one) => isSame(one.target, target)) ?? open(target);
  clearTimeout(table.closing);
  table.listeners.add(listener);
  const renewBy = (getToken: Target["getToken"]) => {
    if (!getToken || getToken === table.target.getToken) return;
    table.target.getToken = getToken;
    if (table.session.view.connection === "refused") table.session.retry();
  };
  renewBy(target.getToken);
  return {
    session: table.session,
    renewBy,
    leads() {
      const all = [...table.listeners];
      return (all.find((one) => one.isShown()) ?? all[0]) === listener;
    },
    leave() {
      table.listeners.delete(listener);
      if (table.listeners.size > 0) return;
      // Nobody is left who could undo it.
      table.session.flush();
      table.closing = setTimeout(() => {
        tables.delete(table);
        table.session.close();
      }, lingerMs);
    },
  };
}

function open(target: Target): Table {
  const listeners = new Set<Listener>();
  const all = () => [...listeners];
  const session = openSession(
    target,
    () => {
      for (const one of all()) one.hear();
    },
    () => all().some((one) => one.isUndoInUse()),
  );
  const table = { target, session, listeners };
  tables.add(table);
  return table;
}

const isSame = (a: Target, b: Target): boolean =>
  a.server === b.server && a.user === b.user && a.token === b.token && a.tokenUrl === b.tokenUrl;
