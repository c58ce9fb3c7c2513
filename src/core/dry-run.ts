import { type Static, Type } from "typebox";
import { channelNames, channelOf } from "../channels/index.ts";
import type { Recipient } from "../model/channel.ts";
import { type Decision, decide, decideDigest, decideMember, type Facts } from "../model/decide.ts";
import { reasons } from "../model/delivery.ts";
import type { NotifyCommand, PlannedDelivery, PlannedNotification } from "../model/notification.ts";
import { reachOf } from "../model/reach.ts";
import type { TypeChannelRules } from "../model/rules.ts";
import { iso, Time } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import { Decided } from "./delivery-dto.ts";
import type { TypeRegistry } from "./notification-types.ts";
import type { Notifier } from "./notify.ts";
import type { RegisteredType } from "./type-rules.ts";
import { createUsedLimits, type UsedLimits, unlimited } from "./used-limits.ts";

const Expected = Type.Object(
  {
    channel: Type.String({ enum: ["inbox", ...channelNames()] }),
    verdict: Type.String({ enum: ["send", "hold", "skip"] }),
    at: Time("When it is sent, or when that is decided."),
    until: Type.Optional(Time("For `hold`: when its digest is sent, if this notification opens it.")),
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
  { users, limits, now }: Pick<Store, "users" | "limits" | "now">,
  { get, budgets }: Pick<TypeRegistry, "get" | "budgets">,
  { plan }: Pick<Notifier, "plan">,
  timeZone: string,
) {
  const usedLimits = createUsedLimits(limits, budgets);

  return async (
    command: Omit<NotifyCommand, "user">,
    recipients: string[],
    at = now(),
  ): Promise<Static<typeof DryRunDto>> => {
    const planned = plan({ ...command, user: "" });
    const type = get(command.type) as RegisteredType;
    const profiles = await users.many(recipients);
    const expected = recipients.map(async (user, index) => ({
      user_id: user,
      channels: await expect({ ...planned, user }, type, profiles[index] as Recipient, at, command.topic),
    }));
    return { notifications: await Promise.all(expected) };
  };

  async function expect(
    { item, deliveries, user }: PlannedNotification,
    type: RegisteredType,
    recipient: Recipient,
    at: number,
    topic: string | undefined,
  ): Promise<Expected[]> {
    const zone = recipient.timeZone ?? timeZone;
    const common = { type, topic, at, preferences: recipient.preferences ?? {}, zone };
    const done = new Map<string, Expected>();
    if (item)
      done.set(
        "inbox",
        follow(() => ({ ...common, channel: "inbox", rules: {}, now: at }), at, unlimited),
      );
    const kept = done.get("inbox")?.verdict === "send";
    for (const { channel, content, rules: own } of inOrder(deliveries, type)) {
      const rules: TypeChannelRules = { ...type.rules[channel], ...own };
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
        by: type.by("digest", channel, content, reader),
        unmet,
        unreachable,
      });
      const by = type.by("throttle", channel, content, reader);
      done.set(channel, follow(facts, at, await usedLimits(user, facts(at), by)));
    }
    return [...done.values()];
  }
}

/** Asks again whenever the answer is later. */
function follow(facts: (now: number) => Facts, from: number, limits: UsedLimits): Expected {
  const { channel } = facts(from);
  const { now, decision, waits } = wait((at) => {
    let own = facts(at);
    let asked = decide(own);
    if (asked.verdict === "hold" && asked.hold.first !== undefined) {
      // It opens its digest, which sends the first at once.
      own = { ...own, isFirst: true };
      asked = decide(own);
    }
    const over = asked.verdict === "send" ? limits.ofMessage(own) : undefined;
    return over ? decide({ ...own, over }) : asked;
  }, from);
  const common = { channel, at: iso(now), rule: decision.rule, waits };
  if (decision.verdict === "skip") return { ...common, verdict: "skip", ...reasonOf(decision) };
  if (decision.verdict !== "hold") return { ...common, verdict: "send" };
  // Its digest, when it is due, if nothing else is in it.
  const { verdict, rule, hold } = decision;
  let { scope } = hold;
  const digest = wait((at) => {
    const own = facts(at);
    const left = decideMember(own);
    if (left.verdict === "skip") return left;
    const asked = decideDigest(own);
    const over = asked.verdict === "send" ? limits.ofDigest(own, { scope, by: hold.by }) : undefined;
    // All that the day has no room for becomes one digest.
    if (over?.rule === "budget") scope = "budget";
    return over ? decideDigest({ ...own, over }) : asked;
  }, hold.due);
  const until = iso(digest.now);
  const left = decideMember(facts(digest.now));
  if (left.verdict !== "skip") return { ...common, verdict: "hold", until };
  const gathered = { at: iso(now), verdict, rule, until: iso(hold.due) };
  return {
    channel,
    verdict: "skip",
    at: until,
    rule: left.rule,
    ...reasonOf(left),
    waits: [...waits, gathered, ...digest.waits],
  };
}

const reasonOf = ({ reason, text }: Extract<Decision, { verdict: "skip" }>) => ({ reason, text });

/** The first decision that is not to wait, with the waits before it. */
function wait(ask: (now: number) => Decision, from: number) {
  const waits: Expected["waits"] = [];
  for (let now = from; ; ) {
    const decision = ask(now);
    if (decision.verdict !== "later" || waits.length === mostWaits) return { now, decision, waits };
    const { verdict, rule, until } = decision;
    waits.push({ at: iso(now), verdict, rule, until: iso(until) });
    now = until;
  }
}

/** The other delivery at that time, if its first attempt succeeds. */
function standingOf({ verdict, at, reason, waits }: Expected, now: number): NonNullable<Facts["sibling"]> {
  const due = Date.parse(at);
  const next = waits.findIndex(({ until }) => until !== undefined && now < Date.parse(until));
  const until = waits[next]?.until;
  if (until !== undefined) {
    // Once it is in a digest, it is the digest that waits.
    const isHeld = waits.slice(0, next + 1).some((wait) => wait.verdict === "hold");
    return { state: isHeld ? "held" : "pending", due: Date.parse(until) };
  }
  if (verdict === "skip") return { state: "skipped", reason: reason as never, due };
  return { state: verdict === "hold" ? "held" : "sent", due };
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

export type DryRun = ReturnType<typeof createDryRun>;
