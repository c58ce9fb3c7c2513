import { durationForm, durationMs } from "../model/duration.ts";
import { type ErrorDetail, invalidRequest } from "../model/errors.ts";
import { readTime } from "./filters.ts";

/** When a notification is sent: at most one of the two. */
export interface WrittenSendTime {
  /** ISO 8601 with its zone, or Unix milliseconds. */
  send_at?: string | number | undefined;
  /** A duration, such as `2h`. */
  delay?: string | undefined;
}

const mostAheadMs = 366 * 24 * 60 * 60_000;

/** Unix ms, perhaps past; undefined when neither is given. Throws `invalid_request`. `names`: where the caller wrote the two. */
export function readSendTime(
  { send_at: at, delay }: WrittenSendTime,
  now: number,
  names = { at: "/send_at", delay: "/delay" },
): number | undefined {
  const problems: ErrorDetail[] = [];
  const wrong = (pointer: string, detail: string) => void problems.push({ pointer, detail });
  const time = at === undefined ? undefined : readTime(at);
  const wait = delay === undefined ? undefined : durationMs(delay);
  if (at !== undefined && time === undefined)
    wrong(names.at, "must be a time: ISO 8601 with its zone, or Unix milliseconds");
  if (delay !== undefined && wait === undefined) wrong(names.delay, `must be ${durationForm}`);
  if (at !== undefined && delay !== undefined)
    wrong(names.delay, `must not be given together with ${names.at.replace(/^\//, "")}`);
  if (time !== undefined && time > now + mostAheadMs) wrong(names.at, "must be at most 366 days ahead");
  if (problems.length > 0) throw invalidRequest(problems);
  return wait === undefined ? time : now + wait;
}
