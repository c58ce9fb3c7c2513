import { BelfryClientError } from "../../src/client/error.ts";
import type { InboxItem, LiveView } from "../../src/client/index.ts";
import { UserClient } from "../../src/client/user-client.ts";
import { unreadOf, unseenOf } from "./item.ts";
import { createOriginCheck } from "./origin.ts";
import { after, type Change, type Doing } from "./pending.ts";
import { tokensOf } from "./token.ts";
import { createUndo } from "./undo.ts";

/** One user's inbox at one service, and how to get a token for it. */
export interface Target {
  server: string;
  user: string;
  token?: string | undefined;
  /** May be replaced while the session is open: frameworks make a new function on each render. */
  getToken?: (() => string | Promise<string>) | undefined;
  /** An address of the page's own server that answers with a token. */
  tokenUrl?: string | undefined;
}

export interface InboxView extends LiveView {
  /** The list has been loaded once; until then it is not known to be empty. */
  isLoaded: boolean;
  /** When the connection stopped being live; Unix milliseconds. */
  troubledSince?: number | undefined;
  /** Why the last action failed. */
  failure?: Error | undefined;
  /** The item that was deleted last, while the delete can be undone. */
  removed?: InboxItem | undefined;
  /** How far this device's clock is ahead of the service's, in milliseconds. */
  clockAhead: number;
}

/** One user's inbox, kept live, with the actions that are under way. */
export interface Session {
  readonly view: InboxView;
  /** The view changes at once, and back when the service refuses. A delete is sent after some seconds. */
  change(change: Change, id: string): Promise<void>;
  /** Takes the last delete back, if it has not been sent; returns the item's id. */
  undo(): string | undefined;
  /** Sends all deletes that could still be undone. */
  flush(): void;
  /** Marks the shown items as read. Items that arrive meanwhile stay unread. */
  readAll(): Promise<void>;
  /** Marks the shown items as seen. */
  seen(): Promise<void>;
  /** Starts again at once: after a refusal, or instead of waiting for the next try. */
  retry(): void;
  forgive(): void;
  close(): void;
}

/** `onChange` is called after each change of the view. `isUndoInUse`: the pointer or the focus is on Undo. */
export function openSession(target: Target, onChange: () => void, isUndoInUse: () => boolean): Session {
  const { server, user } = target;
  let clockAhead = 0;
  const origin = createOriginCheck(server);
  const client = new UserClient({
    server,
    user,
    getToken: tokensOf(target),
    // A reader is waiting, so errors must show soon. `live` retries anyway.
    retries: 1,
    async fetch(address, init) {
      // An action started by a click on a link must outlive the page.
      const keepalive = (init?.method ?? "GET") !== "GET";
      const response = await origin.fetch(address, { ...init, keepalive });
      const at = Date.parse(response.headers.get("date") ?? "");
      if (at) clockAhead = Date.now() - at;
      return response;
    },
  });
  let base: LiveView = { items: [], unread: 0, unseen: 0, total: 0, rev: 0, connection: "connecting" };
  let isLoaded = false;
  let troubledSince: number | undefined = Date.now();
  let failure: Error | undefined;
  /** `settled`: the `rev` from which on the service has it. */
  const pending = new Set<{ doing: Doing; settled: number }>();
  /** Actions on one item reach the service in the order in which they were taken. */
  const turns = new Map<string, Promise<unknown>>();
  const undo = createUndo(isUndoInUse);
  let view = compose();
  let live = open();

  function open() {
    return client.live({ onChange: take });
  }

  function take(next: LiveView): void {
    const { connection } = next;
    troubledSince = connection === "live" ? undefined : (troubledSince ?? Date.now());
    // The old list stays until the new one is loaded.
    const hasList = connection === "live" || next.rev > 0;
    if (hasList) base = next;
    else {
      const { items, unread, unseen, total, rev } = base;
      base = { ...next, items, unread, unseen, total, rev };
    }
    isLoaded ||= hasList;
    for (const one of pending) if (one.settled <= base.rev) pending.delete(one);
    // Another device has done it already.
    undo.keepOnly(base.items);
    show();
  }

  function compose(): InboxView {
    const removed = base.items.find((one) => one.id === undo.last);
    const common = { isLoaded, troubledSince, failure, removed, clockAhead };
    if (pending.size === 0) return { ...base, ...common };
    let { items } = base;
    let unseen = unseenOf(items, base.unseen);
    for (const { doing } of pending) {
      items = after(items, doing);
      unseen = after(unseen, doing);
      if (doing.change === "seen") unseen = unseen.filter((one) => one.created_rev > doing.upTo);
    }
    return {
      ...base,
      ...common,
      items,
      unread: unreadOf(items).length,
      unseen: unreadOf(unseen).length,
      total: items.length,
    };
  }

  function show(): void {
    view = compose();
    onChange();
  }

  /** `call` resolves with the `rev` from which on the service has it; 0: it does not get it. */
  async function act(doing: Doing, call: () => Promise<{ rev: number }>): Promise<void> {
    const mine = { doing, settled: Number.POSITIVE_INFINITY };
    pending.add(mine);
    // Before the view changes, so that it has the item that can be undone.
    const calling = call();
    show();
    try {
      mine.settled = (await calling).rev;
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
      if (change === "remove")
        return act({ change, id }, async () =>
          (await undo.wait(id)) ? client.inbox.remove(id) : { rev: 0 },
        );
      const before = turns.get(id);
      const call = () => client.inbox[change](id);
      const turn = act({ change, id }, () => (before ? before.then(call) : call()));
      turns.set(id, turn);
      return turn.finally(() => turns.get(id) === turn && turns.delete(id));
    },
    undo() {
      const id = undo.undo();
      for (const one of pending)
        if (one.doing.change === "remove" && one.doing.id === id) pending.delete(one);
      if (id) show();
      return id;
    },
    flush: undo.flush,
    readAll() {
      const upTo = base.rev;
      return act({ change: "readAll", upTo }, () => client.inbox.readAll(upTo));
    },
    seen() {
      const upTo = base.rev;
      // A failure is not shown: the reader did nothing that failed.
      return act({ change: "seen", upTo }, () => client.inbox.seen(upTo).catch(() => ({ rev: 0 })));
    },
    retry() {
      live.close();
      origin.forget();
      troubledSince = Date.now();
      failure = undefined;
      const { items, unread, unseen, total, rev } = base;
      base = { items, unread, unseen, total, rev, connection: "connecting" };
      live = open();
      show();
    },
    forgive() {
      failure = undefined;
      show();
    },
    close() {
      undo.end();
      live.close();
    },
  };
}
