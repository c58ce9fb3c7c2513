import { durationMs } from "../model/duration.ts";
import { type ErrorDetail, invalidRequest } from "../model/errors.ts";
import { secondsOfId } from "../model/ids.ts";
import { measureData, problemInText } from "../model/json-limits.ts";
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
