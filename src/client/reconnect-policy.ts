import { backoffMs } from "./backoff.ts";
import { BelfryClientError } from "./error.ts";

/** What the tries so far have shown. */
export interface ReconnectState {
  /** Failures in a row. The pauses grow with them. */
  failures: number;
  /** Tries in a row without any message from the service. */
  silent: number;
  /** The transport that has worked. */
  proven?: number | undefined;
  /** The token that was refused, if that ended the last try. */
  refused?: { bearer: string | undefined } | undefined;
}

/** The result of one try. */
export interface Outcome {
  lastedMs: number;
  wasLive: boolean;
  /** The transport that was tried, if any. */
  transport?: number | undefined;
  /** The service sent something, even a refusal. */
  spoke?: boolean;
  refused?: { bearer: string | undefined } | undefined;
  /** The pause that the service asked for. */
  retryMs?: number;
  /** The list must be loaded again, now. */
  reload?: boolean;
  error?: Error;
}

export const initialState: ReconnectState = { failures: 0, silent: 0 };

const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** The longest `Retry-After` that is obeyed, since a proxy's mistake must not disconnect a page for a day. */
const longestAskedMs = 3_600_000;
/** After a connection that lasted this long the next pause is short again. */
const goodMs = 10_000;
/** After a connection that was live for a shorter time the next pause is 1 to 2 s at most. */
const shortLived = 2;
/** After this many silent tries in a row all transports are tried in turn. */
const patientTries = 3;

/** The index of the transport to try next. */
export const chooseTransport = ({ proven, silent }: ReconnectState, count: number): number =>
  proven ?? (silent < patientTries ? 0 : silent % count);

/**
 * Decides what follows a try. `isOver`: more tries are useless, because a new token was refused right after the one before, or
 * the same token twice. Otherwise the caller replaces a refused token before the pause.
 */
export function afterTry(
  state: ReconnectState,
  { lastedMs, wasLive, transport, spoke, refused, retryMs, reload, error }: Outcome,
): { state: ReconnectState; isOver: boolean; pauseMs: number } {
  const wasGood = wasLive && lastedMs > goodMs;
  const failures = wasGood ? 0 : wasLive ? Math.min(state.failures, shortLived) : state.failures;
  const silent = spoke ? 0 : state.silent + (transport === undefined ? 0 : 1);
  const before = state.refused;
  // A client that was accepted and then disconnected must wait. One that was never accepted may try its new token now.
  const asked = error instanceof BelfryClientError ? (error.retryAfter ?? 0) * 1_000 : 0;
  const now = refused ? wasGood || !wasLive : reload && failures === 0;
  return {
    state: {
      failures: failures + 1,
      silent,
      proven: spoke ? transport : silent < patientTries ? state.proven : undefined,
      refused,
    },
    isOver: Boolean(refused && before && !wasGood && (!wasLive || refused.bearer === before.bearer)),
    // The random part spreads clients that were asked for the same pause.
    pauseMs: now
      ? 0
      : (retryMs ?? Math.min(asked, longestAskedMs) + backoffMs(failures + 1, firstPauseMs, longestPauseMs)),
  };
}
