import { channelNames } from "../channels/index.ts";
import { type Suppression, suppressionReasons } from "../model/channel.ts";
import { type DeliveryState, deliveryStates, reasons } from "../model/delivery.ts";
import type { DeliveryFilter } from "../model/delivery-record.ts";
import { type ErrorDetail, invalidRequest } from "../model/errors.ts";
import type { SuppressionFilter } from "../model/suppression.ts";
import { isUserId } from "../model/user-id.ts";

/** Filters as written in a query, a body or a command line. */
export interface WrittenFilters {
  /** One, or several separated by commas. */
  id?: string;
  user_id?: string;
  notification_id?: string;
  type?: string;
  channel?: string;
  /** One, several, or several separated by commas. */
  status?: string | string[];
  reason?: string | undefined;
  provider?: string;
  /** ISO 8601 or Unix milliseconds. */
  from?: string | number;
  to?: string | number;
}

const hex24 = /^[0-9a-f]{24}$/i;
const mostIds = 100;

/** Reads and checks filters. Throws `invalid_request` with every problem; `pointer` gives a filter's place in the request. */
export function readFilters(written: WrittenFilters, pointer: (name: string) => string): DeliveryFilter {
  const problems: ErrorDetail[] = [];
  const wrong = (name: string, detail: string) => void problems.push({ pointer: pointer(name), detail });
  const { user_id: user, notification_id: notification, type, provider } = written;
  if (user !== undefined && !isUserId(user))
    wrong("user_id", "must have 1 to 128 characters, at least one of them visible, and must not be . or ..");
  if (notification !== undefined && !hex24.test(notification))
    wrong("notification_id", "must be 24 hex characters");
  const ids = written.id?.split(",");
  if (ids && (ids.length > mostIds || !ids.every((one) => hex24.test(one))))
    wrong("id", `must be 1 to ${mostIds} ids of 24 hex characters, separated by commas`);
  for (const [name, value] of Object.entries({ type, provider }))
    if (value !== undefined && !/^[\w.-]{1,64}$/.test(value))
      wrong(name, "must be 1 to 64 letters, digits, dots, dashes or underscores");
  const states = statesOf(written.status);
  const unknown = states?.find((state) => !deliveryStates.includes(state));
  if (unknown !== undefined || states?.length === 0)
    wrong("status", `must be some of ${deliveryStates.join(", ")}`);
  const channel = oneOf("channel", written.channel, channelNames());
  const reason = oneOf("reason", written.reason, reasons);
  const { from, to } = readPeriod(written, wrong);

  if (problems.length > 0) throw invalidRequest(problems);
  const filter = { ids, user, notification, type, channel, states, reason, provider, from, to };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

  function oneOf<T extends string>(name: string, value: string | undefined, known: readonly T[]) {
    if (value === undefined || known.includes(value as T)) return value as T | undefined;
    wrong(name, `must be one of ${known.join(", ")}`);
    return undefined;
  }
}

/** Like `readFilters`, for suppressions. */
export function readSuppressionFilters(
  written: Pick<WrittenFilters, "user_id" | "channel" | "reason" | "from" | "to">,
  pointer: (name: string) => string,
): SuppressionFilter {
  const { reason } = written;
  const { user, channel, from, to } = readFilters({ ...written, reason: undefined }, pointer);
  if (reason !== undefined && !suppressionReasons.includes(reason as Suppression["reason"])) {
    const detail = `must be one of ${suppressionReasons.join(", ")}`;
    const at = pointer("reason");
    throw invalidRequest([{ pointer: at, detail }]);
  }
  const filter = { user, channel, reason, from, to };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** `from` and `to` in Unix milliseconds. Calls `wrong` for each problem. */
export function readPeriod(
  written: Pick<WrittenFilters, "from" | "to">,
  wrong: (name: string, detail: string) => void,
): { from?: number; to?: number } {
  const [from, to] = (["from", "to"] as const).map((name) => {
    const value = written[name];
    if (value === undefined) return undefined;
    const time = readTime(value);
    if (time === undefined) wrong(name, "must be a time: ISO 8601 with its zone, or Unix milliseconds");
    return time;
  });
  if (from !== undefined && to !== undefined && to <= from) wrong("to", "must be later than from");
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** A date alone is midnight UTC. A time needs its zone, or it would depend on the machine. */
const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;
/** Year 9999. */
const latest = 253_402_300_799_999;

/** Unix milliseconds; undefined for a text that is no time. */
export function readTime(value: string | number): number | undefined {
  const text = String(value);
  return /^\d{1,15}$/.test(text) ? inRange(Number(text)) : isoTime(text);
}

/** Unix milliseconds of an ISO 8601 time; undefined for another form. */
export const isoTime = (text: string): number | undefined =>
  iso.test(text) ? inRange(Date.parse(text)) : undefined;

const inRange = (time: number): number | undefined => (time >= 0 && time <= latest ? time : undefined);

function statesOf(status: string | string[] | undefined): DeliveryState[] | undefined {
  if (status === undefined) return undefined;
  const words = [status].flat().flatMap((text) => text.split(",").map((word) => word.trim()));
  return [...new Set(words.filter(Boolean))] as DeliveryState[];
}
