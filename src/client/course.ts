import { backoffMs } from "../lib/backoff.ts";
import { BelfryClientError } from "./error.ts";

/** The result of the tries so far. */
export interface Course {
  /** Failures in a row; the pauses grow with them. */
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

export const atFirst: Course = { failures: 0, silent: 0 };

const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** The longest `Retry-After` that is obeyed: a proxy's mistake must not disconnect an open page for a day. */
const longestAskedMs = 3_600_000;
/** After a connection that lasted this long the next pause is short again. */
const goodMs = 10_000;
/** After a connection that was live for a shorter time the next pause is 1 to 2 s at most. */
const shortLived = 2;
/** After this many silent tries in a row all transports are tried in turn. */
const patientTries = 3;

/** The index of the transport to try next. */
export const transportOf = ({ proven, silent }: Course, count: number): number =>
  proven ?? (silent < patientTries ? 0 : silent % count);

/**
 * What to do after a try. `isOver`: further tries are useless, because a new token was refused right after the one before, or
 * the same token twice. Otherwise a refused token is to be replaced before the pause.
 */
export function nextOf(
  course: Course,
  { lastedMs, wasLive, transport, spoke, refused, retryMs, reload, error }: Outcome,
): { course: Course; isOver: boolean; pauseMs: number } {
  const wasGood = wasLive && lastedMs > goodMs;
  const failures = wasGood ? 0 : wasLive ? Math.min(course.failures, shortLived) : course.failures;
  const silent = spoke ? 0 : course.silent + (transport === undefined ? 0 : 1);
  const before = course.refused;
  // A client that was accepted and then thrown out must wait. One that was never accepted may try its new token now.
  const asked = error instanceof BelfryClientError ? (error.retryAfter ?? 0) * 1_000 : 0;
  const now = refused ? wasGood || !wasLive : reload && failures === 0;
  return {
    course: {
      failures: failures + 1,
      silent,
      proven: spoke ? transport : silent < patientTries ? course.proven : undefined,
      refused,
    },
    isOver: Boolean(refused && before && !wasGood && (!wasLive || refused.bearer === before.bearer)),
    // The random part spreads clients that were asked for the same pause.
    pauseMs: now
      ? 0
      : (retryMs ?? Math.min(asked, longestAskedMs) + backoffMs(failures + 1, firstPauseMs, longestPauseMs)),
  };
}
