import { BelfryClient, BelfryClientError, type LiveView } from "../../src/client/index.ts";
import { after, type Change, type Doing } from "./pending.ts";

/** Whose inbox, where, and by what right. */
export interface Target {
  server: string;
  user: string;
  token?: string | undefined;
  /** May be replaced while the session is open: pages make a new function each time that they draw. */
  getToken?: (() => string | Promise<string>) | undefined;
}

export interface InboxView extends LiveView {
  /** The list has been there once; until then it is not known to be empty. */
  isLoaded: boolean;
  /** Since when it is not live; Unix milliseconds. */
  troubledSince?: number | undefined;
  /** Why the last thing that was done came to nothing. */
  failure?: Error | undefined;
  /** What this device's clock is ahead of the service's, in milliseconds. */
  clockAhead: number;
}

/** One user's inbox, kept live, with what is being done to it. */
export interface Session {
  readonly view: InboxView;
  /** Shows at once, and is taken back when the service refuses it. */
  change(change: Change, id: string): Promise<void>;
  /** What is shown; what comes meanwhile stays unread. */
  readAll(): Promise<void>;
  /** Begins anew, at once: after a refusal, or instead of waiting for the next try. */
  retry(): void;
  forgive(): void;
  close(): void;
}

/** `onChange`: the view has changed. */
export function openSession(target: Target, onChange: () => void): Session {
  const { server, user } = target;
  let clockAhead = 0;
  const client = new BelfryClient({
    server,
    user,
    getToken: tokensOf(target),
    // Somebody waits: it is said soon what is wrong, and `live` tries again anyhow.
    retries: 1,
    async fetch(address, init) {
      // What is done by a click on a link must outlive the page.
      const response = await fetch(address, { ...init, keepalive: (init?.method ?? "GET") !== "GET" });
      const at = Date.parse(response.headers.get("date") ?? "");
      if (at) clockAhead = Date.now() - at;
      return response;
    },
  });
  let base: LiveView = { items: [], unread: 0, total: 0, rev: 0, connection: "connecting" };
  let isLoaded = false;
  let troubledSince: number | undefined = Date.now();
  let failure: Error | undefined;
  /** `settled`: the `rev` from which on the service has it. */
  const pending = new Set<{ doing: Doing; settled: number }>();
  /** What is done to one item reaches the service in that order. */
  const turns = new Map<string, Promise<unknown>>();
  let view = compose();
  let live = open();

  function open() {
    return client.live({ onChange: take });
  }

  function take(next: LiveView): void {
    const { connection } = next;
    troubledSince = connection === "live" ? undefined : (troubledSince ?? Date.now());
    // A list that is being read anew has nothing to show yet: what was there stays.
    const hasList = connection === "live" || next.rev > 0;
    if (hasList) base = next;
    else {
      const { items, unread, total, rev } = base;
      base = { ...next, items, unread, total, rev };
    }
    isLoaded ||= hasList;
    for (const one of pending) if (one.settled <= base.rev) pending.delete(one);
    show();
  }

  function compose(): InboxView {
    const common = { isLoaded, troubledSince, failure, clockAhead };
    if (pending.size === 0) return { ...base, ...common };
    let { items } = base;
    for (const { doing } of pending) items = after(items, doing);
    const unread = items.filter((one) => !one.read).length;
    return { ...base, ...common, items, unread, total: items.length };
  }

  function show(): void {
    view = compose();
    onChange();
  }

  async function act(doing: Doing, call: () => Promise<{ rev: number }>): Promise<void> {
    const mine = { doing, settled: Number.POSITIVE_INFINITY };
    pending.add(mine);
    show();
    try {
      mine.settled = (await call()).rev;
      failure = undefined;
      if (mine.settled <= base.rev) pending.delete(mine);
    } catch (error) {
      pending.delete(mine);
      // It is gone already, and the list is about to say so.
      if (!(error instanceof BelfryClientError && error.status === 404)) failure = error as Error;
    }
    show();
  }

  return {
    get view() {
      return view;
    },
    change(change, id) {
      const before = turns.get(id);
      const call = () => client.inbox[change](id);
      const turn = act({ change, id }, () => (before ? before.then(call) : call()));
      turns.set(id, turn);
      return turn.finally(() => turns.get(id) === turn && turns.delete(id));
    },
    readAll() {
      const upTo = base.rev;
      return act({ change: "readAll", upTo }, () => client.inbox.readAll(upTo));
    },
    retry() {
      live.close();
      troubledSince = Date.now();
      failure = undefined;
      const { items, unread, total, rev } = base;
      base = { items, unread, total, rev, connection: "connecting" };
      live = open();
      show();
    },
    forgive() {
      failure = undefined;
      show();
    },
    close: () => live.close(),
  };
}

/** The token that is given is the first. Without `getToken` there is no other, and with neither none: an open service wants none. */
function tokensOf(target: Target): () => Promise<string> {
  let isFirst = true;
  return async () => {
    const { token, getToken } = target;
    const given = isFirst || !getToken ? token : undefined;
    isFirst = false;
    const found = (given || (await getToken?.())) as string;
    if (found === undefined) return found;
    const text = String(found).trim();
    // A page's server that answers with something else, such as an error, has refused nobody: it is asked again.
    if (!/^[\w.~+/-]+=*$/.test(text)) throw new TypeError("belfry-inbox: this is no token");
    return text;
  };
}
