import type { WireMessage } from "../model/inbox-dto.ts";
import { pause } from "./backoff.ts";
import type { Credentials } from "./credentials.ts";
import { BelfryClientError } from "./error.ts";
import { isOnline, watchNetwork } from "./platform.ts";
import { afterTry, chooseTransport, initialState, type Outcome } from "./reconnect-policy.ts";
import { applied, emptyReplica, isWhole, type Replica } from "./replica.ts";
import type { Transport } from "./transports.ts";
import type { InboxItem } from "./wire.ts";

/**
 * `connecting`: the view may be out of date and is being updated; `live`: it is exactly what the service has; `offline`: the
 * platform has no network; `refused`: the service refused the connection for good, and `error` has the reason.
 */
export type ConnectionState = "connecting" | "live" | "offline" | "refused";

export interface LiveView {
  /** Newest first, the archived ones too. */
  items: readonly InboxItem[];
  unread: number;
  /** Unread items that were added since the inbox was last marked as seen: the newest unread ones. */
  unseen: number;
  total: number;
  rev: number;
  /** Another number than before: the user's preferences have changed. */
  preferences_rev?: number;
  connection: ConnectionState;
  /** Why the last try failed, while it is not live. */
  error?: Error;
  /** Time of the next try after a failed one; Unix milliseconds of this device. */
  retryAt?: number;
}

export interface LiveConnection {
  readonly view: LiveView;
  /** `onChange` is not called afterwards. */
  close(): void;
}

export interface LiveConnectionOptions {
  /** The whole inbox. */
  load: (signal: AbortSignal) => Promise<Replica>;
  /** Makes an ordinary request. Rejects with the reason when the service does not answer it. */
  ask: (signal: AbortSignal) => Promise<unknown>;
  credentials: Credentials;
  /** In order of preference. `url` returns the address that sends changes after that `rev`. */
  transports: Array<{ open: Transport; url: (rev: number) => string }>;
  onChange: (view: LiveView) => void;
}

/** Keeps an exact copy of an inbox through lost connections, networks and servers. */
export function openLive(options: LiveConnectionOptions): LiveConnection {
  const { credentials, transports } = options;
  let closed = false;
  let replica: Replica = emptyReplica;
  let isLoaded = false;
  let view = viewOf(replica, "connecting");
  let reconnect = initialState;
  /** Aborts the current try or pause: when the network comes or goes, and on `close`. */
  let current = new AbortController();
  let isPausing = false;
  const unwatch = watchNetwork(() => {
    if (isPausing || !isOnline()) current.abort();
  });

  function show(connection: ConnectionState, trouble: Pick<LiveView, "error" | "retryAt"> = {}): void {
    if (closed) return;
    view = viewOf(replica, connection, trouble);
    try {
      options.onChange(view);
    } catch (thrown) {
      // Like an error in an event listener: it is reported and does not stop the connection.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  async function run(): Promise<void> {
    while (!closed) {
      if (!isOnline()) {
        show("offline");
        await rest(2 ** 31 - 1);
        continue;
      }
      const outcome = await attempt();
      let { error } = outcome;
      let next = afterTry(reconnect, outcome);
      try {
        if (outcome.refused && (next.isOver || !(await credentials.renew(outcome.refused.bearer)))) {
          show("refused", { ...(error && { error }) });
          return close();
        }
      } catch (failed) {
        error = failed as Error;
        if (error instanceof BelfryClientError && error.isFinal) {
          show("refused", { error });
          return close();
        }
        // There is no new bearer yet. The next try asks again.
        next = afterTry(reconnect, { ...outcome, refused: undefined });
      }
      reconnect = next.state;
      if (closed || !isOnline()) continue;
      // An error that is retried at once is not shown.
      const retryAt = Date.now() + next.pauseMs;
      show("connecting", next.pauseMs > 0 && error ? { error, retryAt } : {});
      await rest(next.pauseMs);
    }
  }

  async function rest(ms: number): Promise<void> {
    current = new AbortController();
    isPausing = true;
    if (!closed) await pause(ms, current.signal);
    isPausing = false;
  }

  async function attempt(): Promise<Outcome> {
    current = new AbortController();
    const { signal } = current;
    const outcome: Outcome = { lastedMs: 0, wasLive: false };
    const began = Date.now();
    let bearer: string | undefined;
    try {
      if (!isLoaded) {
        replica = await options.load(signal);
        isLoaded = true;
        show("connecting");
      }
      bearer = await credentials.current();
      if (signal.aborted) return outcome;
      outcome.transport = chooseTransport(reconnect, transports.length);
      const { open, url } = transports[outcome.transport] as LiveConnectionOptions["transports"][number];
      const onMessage = (message: WireMessage) => {
        // A late message of an aborted connection.
        if (signal.aborted) return;
        outcome.spoke = true;
        take(message, outcome);
      };
      const { refused, error } = await open({ url: url(replica.rev), bearer, onMessage, signal });
      if (error) outcome.error = error;
      if (refused) {
        outcome.refused = { bearer };
        outcome.spoke = true;
      } else if (!outcome.spoke && (!error || error.code === "unreachable") && !signal.aborted) {
        // A browser hides the answer to a WebSocket handshake, so an ordinary request finds the reason. If that fails as
        // well, the transport is not at fault.
        const { transport } = outcome;
        outcome.transport = undefined;
        await options.ask(signal);
        outcome.transport = transport;
      }
    } catch (error) {
      outcome.error = error as Error;
      if (error instanceof BelfryClientError && error.isFinal) outcome.refused = { bearer };
    }
    outcome.lastedMs = Date.now() - began;
    return outcome;
  }

  function take(message: WireMessage, outcome: Outcome): void {
    const reload = () => {
      isLoaded = false;
      outcome.reload = true;
      current.abort();
    };
    const caughtUp = () => {
      outcome.wasLive = true;
      show("live");
    };
    if (message.type === "bye") outcome.retryMs = message.retry_ms;
    else if (message.type === "resync") reload();
    else if (message.type === "changes") {
      replica = applied(replica, message.changes, message);
      if (isWhole(replica)) caughtUp();
      else reload();
      // With a higher `rev` the missed changes are about to follow.
    } else if (message.rev <= replica.rev) {
      if (message.rev === replica.rev && isWhole({ ...replica, ...message })) caughtUp();
      else reload();
    }
  }

  function close(): void {
    closed = true;
    unwatch();
    current.abort();
  }

  // Starts after the caller has the connection object.
  queueMicrotask(run);
  return {
    get view() {
      return view;
    },
    close,
  };
}

function viewOf(
  { items, ...state }: Replica,
  connection: ConnectionState,
  trouble: Pick<LiveView, "error" | "retryAt"> = {},
): LiveView {
  return { items: [...items].reverse(), ...state, connection, ...trouble };
}
