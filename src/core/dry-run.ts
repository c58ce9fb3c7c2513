import { type Static, Type } from "typebox";
import { channelNames, channelOf } from "../channels/index.ts";
import type { Recipient } from "../model/channel.ts";
import { type Decision, decide, type Facts } from "../model/decide.ts";
import { reasons } from "../model/delivery.ts";
import type { NotifyCommand, PlannedDelivery, PlannedNotification } from "../model/notification.ts";
import { reachOf } from "../model/reach.ts";
import { iso, Time } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import { Decided } from "./delivery-dto.ts";
import type { TypeRegistry } from "./notification-types.ts";
import type { Notifier } from "./notify.ts";
import type { RegisteredType } from "./type-rules.ts";

const Expected = Type.Object(
  {
    channel: Type.String({ enum: ["inbox", ...channelNames()] }),
    verdict: Type.String({ enum: ["send", "skip"] }),
    at: Time("When it is sent, or when that is decided."),
    rule: Type.String({ description: "The rule that decides, such as `preference:types.comment.email`." }),
    reason: Type.Optional(Type.String({ enum: [...reasons] })),
    text: Type.Optional(Type.String({ description: "Why it is not sent." })),
    waits: Type.Array(Decided, { description: "The rules that make it wait before that, in order." }),
  },
  { title: "ExpectedDelivery" },
);
type Expected = Static<typeof Expected>;

export const DryRunDto = Type.Object(
  {
    notifications: Type.Array(Type.Object({ user_id: Type.String(), channels: Type.Array(Expected) }), {
      description: "One entry per recipient, in the order of the request.",
    }),
  },
  { title: "DryRunAnswer" },
);

/** Rules can make a message wait again and again; this is enough for a year of quiet nights. */
const mostWaits = 400;
/** The state of an item that does not exist yet. */
const untouched = { read: false, seen: false, archived: false };

/**
 * The course of a notification if nobody did anything meanwhile: per recipient and channel whether it is sent, when,
 * and which rule says so. `at`: when it is sent (Unix ms). Asks the same function as the worker, and writes nothing. `timeZone`: of users who have none.
 */
export function createDryRun(
  { users, now }: Pick<Store, "users" | "now">,
  { get }: Pick<TypeRegistry, "get">,
  { plan }: Pick<Notifier, "plan">,
  timeZone: string,
) {
  return async (
    command: Omit<NotifyCommand, "user">,
    recipients: string[],
    at = now(),
  ): Promise<Static<typeof DryRunDto>> => {
    const planned = plan({ ...command, user: "" });
    const type = get(command.type) as RegisteredType;
    const profiles = await users.many(recipients);
    return {
      notifications: recipients.map((user, index) => ({
        user_id: user,
        channels: expect({ ...planned, user }, type, profiles[index] as Recipient, at, command.topic),
      })),
    };
  };

  function expect(
    { item, deliveries, user }: PlannedNotification,
    type: RegisteredType,
    recipient: Recipient,
    at: number,
    topic: string | undefined,
  ): Expected[] {
    const zone = recipient.timeZone ?? timeZone;
    const common = { type, topic, at, preferences: recipient.preferences ?? {}, zone };
    const done = new Map<string, Expected>();
    if (item)
      done.set(
        "inbox",
        follow(() => ({ ...common, channel: "inbox", rules: {}, now: at }), at),
      );
    const kept = done.get("inbox")?.verdict === "send";
    for (const { channel, content, rules: own } of inOrder(deliveries, type)) {
      const rules = { ...type.rules[channel], ...own };
      const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
      const unmet = type.unmet(channel, content, reader);
      const { unreachable } = reachOf(channelOf(channel), recipient);
      const sibling = rules.if_failed === undefined ? undefined : done.get(rules.if_failed);
      const facts = (now: number): Facts => ({
        ...common,
        channel,
        rules,
        now,
        item: kept ? untouched : undefined,
        sibling: sibling && standingOf(sibling, now),
        unmet,
        unreachable,
      });
      done.set(channel, follow(facts, at));
    }
    return [...done.values()];
  }
}

/** Asks again whenever the answer is later. */
function follow(facts: (now: number) => Facts, from: number): Expected {
  const waits: Expected["waits"] = [];
  let now = from;
  let decision: Decision;
  for (;;) {
    decision = decide(facts(now));
    if (decision.verdict !== "later" || waits.length === mostWaits) break;
    const { verdict, rule, until } = decision;
    waits.push({ at: iso(now), verdict, rule, until: iso(until) });
    now = until;
  }
  const { channel } = facts(now);
  const { rule } = decision;
  if (decision.verdict !== "skip") return { channel, verdict: "send", at: iso(now), rule, waits };
  const { reason, text } = decision;
  return { channel, verdict: "skip", at: iso(now), rule, reason, text, waits };
}

/** The other delivery at that time, if its first attempt succeeds. */
function standingOf({ verdict, at, reason, waits }: Expected, now: number): NonNullable<Facts["sibling"]> {
  const due = Date.parse(at);
  const wait = waits.find(({ until }) => until !== undefined && now < Date.parse(until));
  if (wait?.until !== undefined) return { state: "pending", due: Date.parse(wait.until) };
  return verdict === "send" ? { state: "sent", due } : { state: "skipped", reason: reason as never, due };
}

/** A channel comes after the one that its `if_failed` names. */
function inOrder(deliveries: PlannedDelivery[], type: RegisteredType): PlannedDelivery[] {
  const ordered: PlannedDelivery[] = [];
  const add = (one: PlannedDelivery | undefined) => {
    if (!one || ordered.includes(one)) return;
    const other = { ...type.rules[one.channel], ...one.rules }.if_failed;
    add(deliveries.find(({ channel }) => channel === other));
    ordered.push(one);
  };
  for (const one of deliveries) add(one);
  return ordered;
}
