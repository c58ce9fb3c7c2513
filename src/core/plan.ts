import { durationMs } from "../model/duration.ts";
import { type ErrorDetail, escapePointer, invalidRequest, problemInText } from "../model/errors.ts";
import { secondsOfId } from "../model/ids.ts";
import type { Channel, NotifyCommand, PlannedNotification, StoredInboxItem } from "../model/notification.ts";
import { type CallRules, ruleProblems } from "../model/rules.ts";
import type { Store } from "../store/index.ts";
import type { TypeRegistry } from "./notification-types.ts";
import type { Target } from "./notify.ts";
import type { RegisteredType } from "./type-rules.ts";

/** Turns a command into the records to store. Throws `invalid_request`. */
export function createPlanner(
  { newId, now }: Pick<Store, "newId" | "now">,
  registry: Pick<TypeRegistry, "get" | "keys">,
) {
  return function plan(command: NotifyCommand): PlannedNotification {
    const type = registry.get(command.type);
    if (!type)
      throw invalidRequest([{ pointer: "/type", detail: `must be one of ${registry.keys.join(", ")}` }]);
    if (command.replace && command.key === undefined)
      throw invalidRequest([
        { pointer: "/key", detail: "is missing: replace needs the key of what it replaces" },
      ]);
    const size = measure(command);
    if (typeof size !== "number") throw invalidRequest([size]);
    const id = newId();
    const at = now();
    const user = command.user;
    const { title, body, targetId, topic, data, key, replace } = command;
    const words = { ...(title !== undefined && { title }), ...(body !== undefined && { body }) };
    const content = {
      key: command.type,
      at,
      ...words,
      ...(targetId !== undefined && { targetId }),
      ...(topic !== undefined && { topic }),
      ...(data !== undefined && { data }),
    };
    const item: StoredInboxItem = {
      id,
      timestamp: Math.floor(at / 1000),
      is_new: true,
      user_id: user,
      key: command.type,
      ...words,
      ...(targetId !== undefined && { target_id: targetId }),
      ...(topic !== undefined && { topic }),
      ...(data !== undefined && { data }),
      ...(key !== undefined && { caller_key: key }),
      ...type.groupOf(content),
    };
    const { outbound, inInbox, rulesOf } = wantedChannels(command, type);
    const { isLocked, isOnByDefault } = type.inboxChoice;
    const isKept = inInbox && (isOnByDefault || !isLocked);
    return {
      id,
      user,
      bytes: size * (outbound.length + (inInbox ? 1 : 0)),
      ...(key !== undefined && replace && { replaces: { key, item, content } }),
      ...(isKept && { item }),
      ...(isKept &&
        !isLocked && {
          ask: {
            type: type.key,
            ...(type.category !== undefined && { category: type.category }),
            ...(topic !== undefined && { topic }),
            isOnByDefault,
          },
        }),
      deliveries: outbound.map((channel) => {
        const rules = rulesOf[channel];
        const { after } = { ...type.rules[channel], ...rules };
        const wait = after === undefined ? undefined : durationMs(after);
        return {
          id: newId(),
          channel,
          content,
          ...(rules && { rules }),
          ...(wait !== undefined && { due: at + wait }),
          ...(command.bulk && { bulk: command.bulk }),
          ...(key !== undefined && { key }),
        };
      }),
    };
  };
}

/** Where a notification goes, and the rules that the call gives. Throws `invalid_request`. */
function wantedChannels({ channels, data }: NotifyCommand, type: RegisteredType) {
  const rulesOf = Array.isArray(channels) ? {} : (channels as Record<Channel, CallRules> | undefined);
  const names = channels && (rulesOf === channels ? Object.keys(channels) : (channels as string[]));
  const outbound = names ? names.filter((channel) => channel !== "inbox") : type.channels;
  const inInbox = names ? names.includes("inbox") : type.inbox;
  const problems = type.dataProblems(data);
  if (rulesOf) {
    const merged = outbound.map((channel) => [channel, { ...type.rules[channel], ...rulesOf[channel] }]);
    const found = ruleProblems(Object.fromEntries(merged), inInbox);
    problems.push(...found.map(({ pointer, detail }) => ({ pointer: `/channels${pointer}`, detail })));
  }
  if (problems.length > 0) throw invalidRequest(problems);
  return { outbound, inInbox, rulesOf: rulesOf ?? {} };
}

/** The plan for one of several users. */
export function addressed(
  planned: PlannedNotification,
  { user, id }: Target,
  { newId }: Pick<Store, "newId">,
): PlannedNotification {
  const { item, ask, deliveries, bytes = 0, replaces } = planned;
  const timestamp = secondsOfId(id);
  // A repeated request takes its time from the id, so the item has the time of the id.
  const own = (one: StoredInboxItem) => ({ ...one, id, user_id: user, timestamp });
  return {
    id,
    user,
    bytes,
    ...(item && { item: own(item) }),
    ...(ask && { ask }),
    ...(replaces && { replaces: { ...replaces, item: own(replaces.item) } }),
    deliveries: deliveries.map((one) => ({ ...one, id: newId() })),
    once: true,
  };
}

/** The bytes of an item or delivery besides its content. */
const frameBytes = 400;

/** The approximate bytes of one item or delivery, or the problem with the content. */
function measure({ title = "", body = "", data }: NotifyCommand): number | ErrorDetail {
  const found = problemInText(title, "/title") ?? problemInText(body, "/body");
  if (found) return found;
  const size = data === undefined ? 0 : measureData(data, "/data");
  return typeof size === "number"
    ? size + frameBytes + Buffer.byteLength(title) + Buffer.byteLength(body)
    : size;
}

export const maxDataBytes = 8 * 1024;
/** BSON allows 100 levels; real data has a handful. */
export const maxDataDepth = 32;

/**
 * The size of a caller's free-form JSON in bytes, or the first thing in it that cannot be stored exactly, with its JSON
 * pointer. `$` and `.` in keys and strings such as `"$email"` are fine: they are stored as they are.
 */
export function measureData(data: Record<string, unknown>, pointer: string): number | ErrorDetail {
  // The walk comes first: it is bounded, and a stack overflow inside `JSON.stringify` would be our failure.
  const found = problemIn(data, pointer, 1, { characters: 0 });
  if (found) return found === tooLarge ? { pointer, detail: sizeDetail } : found;
  const bytes = Buffer.byteLength(JSON.stringify(data));
  return bytes > maxDataBytes ? { pointer, detail: sizeDetail } : bytes;
}

const sizeDetail = "is over 8 KiB as JSON; send less, or a link to it";
const tooLarge: ErrorDetail = { pointer: "", detail: sizeDetail };

/** `walked`: characters seen so far, no more than the JSON text has. The walk ends where they are too many. */
function problemIn(
  value: unknown,
  pointer: string,
  depth: number,
  walked: { characters: number },
): ErrorDetail | undefined {
  walked.characters += typeof value === "string" ? value.length + 2 : 1;
  if (walked.characters > maxDataBytes) return tooLarge;
  if (typeof value === "string") return problemInText(value, pointer);
  if (typeof value === "number" && !Number.isFinite(value))
    return { pointer, detail: "is too large for a number; send it as a string" };
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > maxDataDepth) return { pointer, detail: `is nested deeper than ${maxDataDepth} levels` };
  if (Object.hasOwn(value, "$ref") && Object.hasOwn(value, "$id"))
    return {
      pointer: `${pointer}/$ref`,
      detail: "together with `$id` is a reference in MongoDB's wire format; rename it",
    };
  for (const key of Object.keys(value)) {
    walked.characters += Array.isArray(value) ? 0 : key.length + 2;
    if (walked.characters > maxDataBytes) return tooLarge;
    const at = `${pointer}/${escapePointer(key)}`;
    const child = (value as Record<string, unknown>)[key];
    const found = problemInKey(key, at) ?? problemIn(child, at, depth + 1, walked);
    if (found) return found;
  }
  return undefined;
}

function problemInKey(key: string, pointer: string): ErrorDetail | undefined {
  if (key.includes("\0"))
    return { pointer, detail: "has a NUL character in its name, which MongoDB cannot store" };
  if (key === "_bsontype")
    return { pointer, detail: "is a name reserved by MongoDB's wire format; rename it" };
  return problemInText(key, pointer);
}
