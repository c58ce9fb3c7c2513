import { openSession, type Session, type Target } from "./session.ts";

/** A tag's place at a session, which all tags of the page have together that want the same. */
export interface Seat {
  session: Session;
  /** Of all tags the one that speaks up: news is told once. */
  leads(): boolean;
  /** From now on tokens are asked for in this way. */
  renewBy(getToken: Target["getToken"]): void;
  leave(): void;
}

export interface Listener {
  hear(): void;
  /** Whether somebody can see it, or hear of it. */
  isShown(): boolean;
}
interface Table {
  target: Target;
  session: Session;
  listeners: Set<Listener>;
  closing?: ReturnType<typeof setTimeout>;
}

/** A tag that is moved, or drawn anew by a router, comes back within so many milliseconds and misses nothing. */
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
      table.closing = setTimeout(() => {
        tables.delete(table);
        table.session.close();
      }, lingerMs);
    },
  };
}

function open(target: Target): Table {
  const listeners = new Set<Listener>();
  const session = openSession(target, () => {
    for (const one of [...listeners]) one.hear();
  });
  const table = { target, session, listeners };
  tables.add(table);
  return table;
}

const isSame = (a: Target, b: Target): boolean =>
  a.server === b.server && a.user === b.user && a.token === b.token;
