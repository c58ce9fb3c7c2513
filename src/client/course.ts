import { BelfryClientError } from "./error.ts";
import { growingPause } from "./pause.ts";

/** What the tries so far have taught. */
export interface Course {
  /** That came to nothing, in a row: the pauses grow with them. */
  failures: number;
  /** In which the service said nothing, in a row. */
  silent: number;
  /** The transport that has worked. */
  proven?: number | undefined;
  /** The bearer that was refused, when that was the last that happened. */
  refused?: { bearer: string | undefined } | undefined;
}

/** What came of one connection, or of the try. */
export interface Outcome {
  lastedMs: number;
  wasLive: boolean;
  /** The transport, when it came to one. */
  transport?: number | undefined;
  /** The service said something, if only that it refuses. */
  spoke?: boolean;
  refused?: { bearer: string | undefined } | undefined;
  /** When the service wants us back. */
  retryMs?: number;
  /** The list must be read anew, now. */
  reload?: boolean;
  error?: Error;
}

export const atFirst: Course = { failures: 0, silent: 0 };

const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** Whoever asks for more than that gets it, but no open page is left alone for a day by a proxy's mistake. */
const longestAskedMs = 3_600_000;
/** A connection that lasted so long was a good one: the next pause is short again. */
const goodMs = 10_000;
/** One that was live, but not for long: the next pause is one of 1 to 2 s at most. */
const shortLived = 2;
/** So often in a row a transport may fail to say anything before all are tried in turn. */
const patientTries = 3;

/** Which transport to try next, of so many. */
export const transportOf = ({ proven, silent }: Course, count: number): number =>
  proven ?? (silent < patientTries ? 0 : silent % count);

/**
 * What to do after a try. `isOver`: what was refused will be refused for ever, since a new bearer was refused right after
 * the one before, or the same one twice. Else a refused bearer is to be replaced before the pause.
 */
export function nextOf(
  course: Course,
  { lastedMs, wasLive, transport, spoke, refused, retryMs, reload, error }: Outcome,
): { course: Course; isOver: boolean; pauseMs: number } {
  const wasGood = wasLive && lastedMs > goodMs;
  const failures = wasGood ? 0 : wasLive ? Math.min(course.failures, shortLived) : course.failures;
  const silent = spoke ? 0 : course.silent + (transport === undefined ? 0 : 1);
  const before = course.refused;
  // Who is let in and thrown out at once must not come back at once; who never was may try the new one now.
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
    // Not all that were asked for the same pause come back at the same moment.
    pauseMs: now
      ? 0
      : (retryMs ??
        Math.min(asked, longestAskedMs) + growingPause(failures + 1, firstPauseMs, longestPauseMs)),
  };
}
