import type { TypeRegistry } from "../core/notification-types.ts";
import type { Address, ChannelRules, Message, Recipient, Suppression } from "../model/channel.ts";
import type { Facts } from "../model/decide.ts";
import {
  type Attempt,
  type AttemptOutcome,
  type DeliveryRun,
  type HeldDelivery,
  type Reason,
  SendError,
} from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { reachOf } from "../model/reach.ts";
import { type ProviderSlot, ratePatienceMs, restOf, sendWithin } from "./slot.ts";
import type { Turn, Verdict } from "./turn.ts";

export interface DeliverOptions {
  rules: ChannelRules;
  /** The channel's providers, in order of preference. */
  slots: ProviderSlot[];
  /** Throws when the type is gone or a template fails on the content. */
  render: TypeRegistry["render"];
  recipient: (delivery: HeldDelivery) => Promise<Recipient>;
  /** The user's document has changed since it was read. */
  isOutdated?: (delivery: HeldDelivery) => boolean;
  /** Whether it is sent now. */
  decide: Turn;
  /** Suppresses the address. */
  suppress: (user: string, channel: Channel, address: string, reason: Suppression["reason"]) => Promise<void>;
  /** Marks a send as begun, if a crash during it must be noticed. False when the lease is lost. */
  begin?: (delivery: HeldDelivery, recipient: Recipient) => Promise<boolean>;
  /** Whether a send that was not answered is repeated. */
  resendUnknown: boolean;
  /** A send that takes longer ends as `unknown`. */
  deadlineMs: number;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

type Result = DeliveryRun["result"];

/**
 * Sends one delivery to each of the user's addresses on the channel that has not taken or refused it yet. Each address
 * gets the first available provider, or the next one when that is paused or has a transient failure. A send without an
 * answer is not tried with another provider in the same run. Never throws.
 */
export async function deliver(delivery: HeldDelivery, options: DeliverOptions): Promise<DeliveryRun> {
  const { slots, rules, now } = options;
  const attempts: Attempt[] = [];
  let recipient: Recipient;
  try {
    recipient = await options.recipient(delivery);
  } catch (error) {
    return retry("PROFILE", `the user's profile could not be read: ${(error as Error).message}`);
  }
  const {
    addresses,
    taken: takenBefore,
    unreachable,
  } = reachOf(rules, recipient, delivery.outcomes, options.resendUnknown);
  if (addresses.length === 0 && takenBefore) return { attempts, result: { kind: "sent" } };
  let verdict: Verdict;
  try {
    verdict = await options.decide(delivery, recipient, unreachable ?? withoutProvider());
  } catch (error) {
    return retry("RULES", `the rules could not be checked: ${(error as Error).message}`);
  }
  if ("result" in verdict) return { attempts, result: verdict.result };
  const { send: content, notification } = verdict;

  // Before the message is made, so that one that ends the process here is noticed too.
  if (options.begin && !(await options.begin(delivery, recipient).catch(() => false)))
    return retry("LEASE", "another worker took the delivery before the send");

  const composed = addresses.map((one) => ({ address: one.address, ...compose(one) }));
  const messages = composed.filter((one) => "message" in one);
  const [refused] = composed.filter((one) => "problem" in one);
  if (refused && messages.length === 0)
    return {
      attempts,
      result: { kind: "rejected", ...refused.problem },
      ...(takenBefore && { taken: true }),
    };

  const results = await Promise.all(messages.map(({ address, message }) => sendTo(address, message)));
  const result = order.flatMap((kind) => results.filter((one) => one.kind === kind))[0] as Result;
  const taken = takenBefore || results.some(({ kind }) => kind === "sent");
  return { attempts, result, ...(taken && result.kind !== "sent" && { taken: true }) };

  function withoutProvider(): Facts["unreachable"] {
    if (slots.length > 0) return undefined;
    return { reason: "no_provider", text: `no provider is configured for ${rules.name}` };
  }

  /** The message to one address, or why there is none. */
  function compose({
    address,
    target,
  }: Address): { message: Message } | { problem: { reason: Reason; code: string; text: string } } {
    const { id, user } = delivery;
    const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
    try {
      const message = rules.message(
        options.render(rules.name, content, reader),
        { user, notification, content },
        address,
        recipient,
      );
      const problem = rules.refusal?.(message);
      if (problem) return { problem };
      return { message: { id, user, ...(target !== undefined && { target }), ...message } };
    } catch (error) {
      return { problem: { reason: "template", code: "TEMPLATE", text: (error as Error).message } };
    }
  }

  async function sendTo(address: string, message: Message): Promise<Result> {
    let last: Extract<AttemptOutcome, { kind: "retry" }> | undefined;
    let until = Number.POSITIVE_INFINITY;
    for (const slot of slots) {
      const { health, rate, provider } = slot;
      const wait = health.availability().limit > 0 ? (rate?.take(slot.cost(message)) ?? 0) : 0;
      if (wait > ratePatienceMs) {
        until = Math.min(until, now() + wait);
        continue;
      }
      if (wait > 0) await options.sleep(wait);
      // It is decided anew. Nothing waits between this and the send.
      if (options.isOutdated?.(delivery))
        return { kind: "decided", decision: { verdict: "later", rule: "changed", until: now() } };
      const report = health.enter();
      if (!report) {
        until = Math.min(until, restOf(health.availability(), now()));
        continue;
      }
      const at = now();
      const answer = await sendWithin(options.deadlineMs, provider, message).then(
        (answered): AttemptOutcome => ({ kind: "sent", ...answered }),
        // Any other error is a defect, and the message may have been sent.
        (error): AttemptOutcome =>
          error instanceof SendError
            ? error.outcome
            : { kind: "unknown", code: "DEFECT", text: String(error) },
      );
      const outcome = health.judge(answer, address, delivery.content.at);
      attempts.push(attemptOf(provider.name, outcome, at, message.target));
      report(outcome);
      if (
        outcome.kind === "rejected" &&
        (outcome.reason === "address" || outcome.reason === "opt_out") &&
        outcome.remember !== false
      )
        await options.suppress(delivery.user, rules.name, address, outcome.reason).catch(() => {});
      if (outcome.kind === "misconfigured") until = Math.min(until, restOf(health.availability(), now()));
      else if (outcome.kind !== "retry") return outcome;
      else last = outcome;
    }
    return last ?? { kind: "hold", until };
  }

  function attemptOf(
    provider: string,
    outcome: AttemptOutcome,
    at: number,
    target: string | undefined,
  ): Attempt {
    return {
      at,
      provider,
      ...(target !== undefined && { target }),
      outcome: outcome.kind,
      ...("code" in outcome && { code: outcome.code }),
      ...(outcome.text !== undefined && { text: outcome.text.slice(0, 500) }),
      ms: now() - at,
      ...("providerId" in outcome && outcome.providerId && { providerId: outcome.providerId }),
    };
  }

  function retry(code: string, text: string): DeliveryRun {
    return { attempts, result: { kind: "retry", code, text } };
  }
}

/** With several addresses, a result that keeps the delivery open comes first, then the best one. */
const order: Array<Result["kind"]> = ["retry", "decided", "held", "hold", "unknown", "sent", "rejected"];
