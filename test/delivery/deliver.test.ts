import { expect, onTestFinished, test, vi } from "vitest";
import { channelOf as rulesOf } from "../../src/channels/index.ts";
import { smsSegments } from "../../src/channels/sms/segments.ts";
import { type DeliverOptions, deliver } from "../../src/delivery/deliver.ts";
import { createRateLimit, type Rate } from "../../src/delivery/rate.ts";
import {
  channelAvailability,
  createHealth,
  type HealthState,
  type ProviderSlot,
  ratePatienceMs,
} from "../../src/delivery/slot.ts";
import type { EmailMessage, Provider, Recipient, Rendered, SmsMessage } from "../../src/model/channel.ts";
import { type AttemptOutcome, type HeldDelivery, SendError } from "../../src/model/delivery.ts";

import { withoutRules } from "./without-rules.ts";

type Outcome = Exclude<AttemptOutcome, { kind: "sent" }>;
type Answer = Outcome | "sent" | Error;

const later: Outcome = { kind: "retry", code: "451", text: "451 later" };
const away: Outcome = { kind: "retry", code: "ECONNREFUSED", text: "refused", ailing: true };
const silent: Outcome = { kind: "unknown", code: "ETIMEDOUT", text: "no answer" };
const nobody: Outcome = { kind: "rejected", reason: "address", code: "550", text: "550 nobody" };
const login: Outcome = {
  kind: "misconfigured",
  code: "535",
  text: "535 wrong password",
  remedy: "Check it.",
};

/** A channel with providers that give the listed answers in order, on its own clock. */
function channelOf(
  answers: Record<string, Answer | Answer[]>,
  options: { channel?: "email" | "sms" | "webhook"; rates?: Record<string, Rate> } = {},
) {
  vi.useFakeTimers({ now: 1_000_000 });
  onTestFinished(() => void vi.useRealTimers());
  const now = () => Date.now();
  const asked: string[] = [];
  const messages: Array<EmailMessage & SmsMessage> = [];
  const states: Record<string, HealthState> = {};
  const slots = Object.entries(answers).map(([name, given]): ProviderSlot => {
    const all = [given].flat();
    const provider: Provider<EmailMessage & SmsMessage> = {
      name,
      channel: options.channel ?? "email",
      async send(message) {
        asked.push(name);
        messages.push(message);
        const answer = all.length > 1 ? (all.shift() as Answer) : (all[0] as Answer);
        vi.setSystemTime(Date.now() + 5);
        if (answer === "sent") return { providerId: `${name}-1`, text: "250 ok" };
        throw answer instanceof Error ? answer : new SendError(answer);
      },
      close: async () => {},
    };
    const rate = options.rates?.[name];
    return {
      provider,
      health: createHealth({
        now,
        onChange: (state) => {
          states[name] = state;
        },
      }),
      cost: (message) => (options.channel === "sms" ? smsSegments((message as SmsMessage).text) : 1),
      ...(rate && { rate: createRateLimit(rate, now, ratePatienceMs) }),
    };
  });
  const slept: number[] = [];
  const suppressed: unknown[][] = [];
  const recipient: Recipient = { email: "ada@users.example", phone: "+12025550123" };
  const partners = {
    slots,
    rules: rulesOf(options.channel ?? "email"),
    render: (_channel: string, { body = "" }: HeldDelivery["content"]): Rendered => ({
      parts: { subject: "s", text: options.channel === "sms" ? body : "t" },
      settings: {},
      typeName: "New login",
    }),
    resendUnknown: true,
    recipient: async () => recipient,
    async suppress(...entry: unknown[]): Promise<void> {
      suppressed.push(entry);
    },
    decide: withoutRules(now),
    deadlineMs: 60_000,
    now,
    async sleep(ms: number) {
      slept.push(ms);
      vi.setSystemTime(Date.now() + ms);
    },
  };
  const delivery: HeldDelivery = {
    id: "a".repeat(24),
    notification: "b".repeat(24),
    user: "ada",
    channel: options.channel ?? "email",
    content: { key: "new_login", at: 0, body: "Hello" },
    tries: 0,
    token: "c".repeat(24),
  };
  const turn = (more: Partial<DeliverOptions> = {}) => deliver(delivery, { ...partners, ...more });
  return { slots, asked, messages, states, slept, suppressed, recipient, delivery, turn };
}

const told = (attempts: Array<{ provider: string; outcome: string }>) =>
  attempts.map(({ provider, outcome }) => `${provider} ${outcome}`);

test("a message whose user changes while it waits for the rate is not sent, but decided anew", async () => {
  const { turn, asked, slept } = channelOf(
    { mailgun: "sent" },
    { rates: { mailgun: { count: 1, perMs: 1_000 } } },
  );
  let changed = false;
  const partners: Partial<DeliverOptions> = { isOutdated: () => changed && slept.length > 0 };
  expect((await turn(partners)).result.kind).toBe("sent");
  changed = true;
  const { attempts, result } = await turn(partners);
  expect(slept).toHaveLength(1);
  expect(asked).toHaveLength(1);
  expect(attempts).toEqual([]);
  expect(result).toEqual({
    kind: "decided",
    decision: { verdict: "later", rule: "changed", until: Date.now() },
  });
});

test("sends with the first provider only", async () => {
  const { turn, asked, messages, delivery } = channelOf({ mailgun: "sent", smtp: "sent" });
  expect(await turn()).toEqual({
    attempts: [
      { at: 1_000_000, provider: "mailgun", providerId: "mailgun-1", outcome: "sent", text: "250 ok", ms: 5 },
    ],
    result: { kind: "sent", providerId: "mailgun-1", text: "250 ok" },
  });
  expect(asked).toEqual(["mailgun"]);
  expect(messages).toEqual([
    { id: delivery.id, user: "ada", to: "ada@users.example", subject: "s", text: "t" },
  ]);
});

test.each([
  ["a transient answer", later],
  ["no connection", away],
  ["a refusal of our configuration", login],
])("after %s the next provider gets the same message in the same run", async (_what, first) => {
  const { turn, messages } = channelOf({ mailgun: first, smtp: "sent", third: "sent" });
  const { attempts, result } = await turn();
  expect(told(attempts)).toEqual([`mailgun ${first.kind}`, "smtp sent"]);
  expect(result).toMatchObject({ kind: "sent", providerId: "smtp-1" });
  expect(messages[1]).toEqual(messages[0]);
});

test.each([
  ["may have been sent", silent],
  ["was refused for good", nobody],
])("a message that %s is not sent with another provider", async (_what, first) => {
  const { turn, asked } = channelOf({ mailgun: first, smtp: "sent" });
  const { attempts, result } = await turn();
  expect(told(attempts)).toEqual([`mailgun ${first.kind}`]);
  expect(result).toEqual(first);
  expect(asked).toEqual(["mailgun"]);
});

test("an unexpected error counts as unknown, because the message may have been sent", async () => {
  const { turn, asked } = channelOf({ mailgun: new TypeError("x is not a function"), smtp: "sent" });
  const { attempts, result } = await turn();
  expect(result).toEqual({ kind: "unknown", code: "DEFECT", text: "TypeError: x is not a function" });
  expect(told(attempts)).toEqual(["mailgun unknown"]);
  expect(asked).toEqual(["mailgun"]);
});

test("when all providers fail transiently, the last one's answer and delay count", async () => {
  const { turn } = channelOf({ mailgun: later, smtp: { ...later, code: "450", afterMs: 300_000 } });
  const { attempts, result } = await turn();
  expect(told(attempts)).toEqual(["mailgun retry", "smtp retry"]);
  expect(result).toMatchObject({ kind: "retry", code: "450", afterMs: 300_000 });
});

test("a transient answer counts even if a later provider refuses our configuration", async () => {
  const { turn } = channelOf({ mailgun: later, smtp: login });
  const { attempts, result } = await turn();
  expect(told(attempts)).toEqual(["mailgun retry", "smtp misconfigured"]);
  expect(result).toEqual(later);
});

test("skips a paused provider, and puts the delivery back when all are paused", async () => {
  const { turn, asked, states, slots } = channelOf({ mailgun: login, smtp: [login, "sent"] });
  const { result } = await turn();
  expect(asked).toEqual(["mailgun", "smtp"]);
  expect(states).toMatchObject({ mailgun: { state: "paused" }, smtp: { state: "paused" } });
  const until = states.mailgun?.until as number;
  expect(result).toEqual({ kind: "hold", until });
  expect(channelAvailability(slots, Date.now())).toEqual({ limit: 0, until });

  expect(await turn()).toEqual({ attempts: [], result: { kind: "hold", until } });
  expect(asked).toHaveLength(2);
  vi.setSystemTime(states.smtp?.until as number);
  const again = await turn();
  expect(told(again.attempts)).toEqual(["mailgun misconfigured", "smtp sent"]);
  expect(channelAvailability(slots, Date.now())).toEqual({ limit: Number.POSITIVE_INFINITY });
  // The first provider is still paused, so only the second is asked.
  expect(told((await turn()).attempts)).toEqual(["smtp sent"]);
});

test("five failures in a row open the breaker, and the second provider sends alone", async () => {
  const { turn, asked, states } = channelOf({ mailgun: away, smtp: "sent" });
  for (let n = 0; n < 5; n++) expect(told((await turn()).attempts)).toEqual(["mailgun retry", "smtp sent"]);
  expect(states.mailgun).toMatchObject({ state: "open", code: "ECONNREFUSED" });
  for (let n = 0; n < 50; n++) expect(told((await turn()).attempts)).toEqual(["smtp sent"]);
  expect(asked.filter((name) => name === "mailgun")).toHaveLength(5);
});

test("waits briefly for the rate limit, else uses the next provider, else puts the delivery back", async () => {
  const tenASecond = { count: 10, perMs: 1_000 };
  const { turn, slept } = channelOf({ smtp: "sent" }, { rates: { smtp: { count: 1, perMs: 1_000 } } });
  for (let n = 0; n < 3; n++) expect((await turn()).result.kind).toBe("sent");
  // Each begins a second after the one before.
  expect(slept.length).toBeGreaterThanOrEqual(2);
  for (const ms of slept) expect(ms).toBeLessThanOrEqual(1_000);

  const slow = { count: 1, perMs: 60_000 };
  const two = channelOf({ mailgun: "sent", smtp: "sent" }, { rates: { mailgun: slow, smtp: tenASecond } });
  expect(told((await two.turn()).attempts)).toEqual(["mailgun sent"]);
  expect(told((await two.turn()).attempts)).toEqual(["smtp sent"]);
  expect(two.slept).toEqual([]);

  const one = channelOf({ mailgun: "sent" }, { rates: { mailgun: slow } });
  expect((await one.turn()).result.kind).toBe("sent");
  const began = Date.now();
  const { attempts, result } = await one.turn();
  expect(attempts).toEqual([]);
  expect(result.kind).toBe("hold");
  const { until } = result as { until: number };
  expect(until).toBeGreaterThan(began + ratePatienceMs);
  expect(until).toBeLessThanOrEqual(began + 60_000);
  expect(one.asked).toHaveLength(1);
  expect(one.slept).toEqual([]);
  vi.setSystemTime(until);
  expect((await one.turn()).result.kind).toBe("sent");
});

test("an SMS uses one unit of the rate per segment", async () => {
  const rates = { twilio: { count: 4, perMs: 60_000 } };
  const { turn, delivery, asked } = channelOf({ twilio: "sent" }, { channel: "sms", rates });
  delivery.content.body = "x".repeat(400);
  expect((await turn()).result.kind).toBe("sent");
  delivery.content.body = "y".repeat(200);
  expect((await turn()).result.kind).toBe("hold");
  expect(asked).toEqual(["twilio"]);
});

test("a paused provider uses none of its rate", async () => {
  const rates = { smtp: { count: 2, perMs: 60_000 } };
  const { turn, states } = channelOf({ smtp: [login, "sent"] }, { rates });
  await turn();
  for (let n = 0; n < 20; n++) expect((await turn()).result.kind).toBe("hold");
  vi.setSystemTime(states.smtp?.until as number);
  expect(told((await turn()).attempts)).toEqual(["smtp sent"]);
});

test("skips without a provider, without an address or when suppressed, and stores the reason", async () => {
  const none = channelOf({});
  expect(await none.turn()).toEqual({
    attempts: [],
    result: {
      kind: "decided",
      decision: {
        verdict: "skip",
        rule: "no_provider",
        reason: "no_provider",
        text: "no provider is configured for email",
      },
    },
  });
  // Deliveries without a provider are claimed all the same, so that they end.
  expect(channelAvailability([], Date.now())).toEqual({ limit: Number.POSITIVE_INFINITY });

  const { turn, recipient, asked } = channelOf({ smtp: "sent" });
  const at = new Date("2026-01-31T12:00:00.000Z");
  recipient.suppressed = { email: { address: "ada@users.example", reason: "opt_out", at } };
  expect((await turn()).result).toEqual({
    kind: "decided",
    decision: {
      verdict: "skip",
      rule: "suppressed",
      reason: "suppressed",
      text: "opt_out since 2026-01-31T12:00:00.000Z",
    },
  });
  delete recipient.email;
  expect((await turn()).result).toMatchObject({ kind: "decided", decision: { reason: "no_address" } });
  expect(asked).toEqual([]);
});

test("sends to a changed address, and to a user suppressed on another channel", async () => {
  const { turn, recipient } = channelOf({ smtp: "sent" });
  const at = new Date(0);
  recipient.suppressed = {
    email: { address: "old@users.example", reason: "bounced", at },
    sms: { address: "+12025550123", reason: "opt_out", at },
  };
  expect((await turn()).result.kind).toBe("sent");
});

test.each([
  ["a bad address", nobody, true],
  ["an opt-out", { ...nobody, reason: "opt_out" }, true],
  ["a bad message", { ...nobody, reason: "message" }, false],
  ["a policy", { ...nobody, reason: "policy" }, false],
] as Array<[string, Extract<Outcome, { kind: "rejected" }>, boolean]>)(
  "after %s, suppresses the address only if the address is the cause",
  async (_what, outcome, remembered) => {
    const { turn, suppressed } = channelOf({ smtp: outcome });
    expect((await turn()).result).toEqual(outcome);
    expect(suppressed).toEqual(remembered ? [["ada", "email", "ada@users.example", outcome.reason]] : []);
    // A failure to store the suppression does not change the outcome.
    const refusing = await turn({ suppress: () => Promise.reject(new Error("no database")) });
    expect(refusing.result).toEqual(outcome);
  },
);

test("fails when a template fails, and retries when the profile cannot be read, without asking a provider", async () => {
  const { turn, asked } = channelOf({ smtp: "sent" });
  const render = () => {
    throw new Error("the type is gone");
  };
  expect(await turn({ render })).toEqual({
    attempts: [],
    result: { kind: "rejected", reason: "template", code: "TEMPLATE", text: "the type is gone" },
  });
  const unreadable = await turn({ recipient: () => Promise.reject(new Error("no database")) });
  expect(unreadable.result).toMatchObject({ kind: "retry", code: "PROFILE" });
  expect(asked).toEqual([]);
});

test("fails a text over Twilio's limit with reason message, without asking Twilio", async () => {
  const { turn, delivery, asked } = channelOf({ twilio: "sent" }, { channel: "sms" });
  delivery.content.body = "x".repeat(1_601);
  expect((await turn()).result).toMatchObject({ kind: "rejected", reason: "message", code: "TOO_LONG" });
  delivery.content.body = "x".repeat(1_600);
  expect((await turn()).result.kind).toBe("sent");
  expect(asked).toEqual(["twilio"]);
});

test("records the begin before a send that must not be repeated, and does not send if that fails", async () => {
  const { turn, asked } = channelOf({ smtp: "sent" });
  const order: string[] = [];
  const written = await turn({
    begin: async () => {
      order.push(`begin, ${asked.length} asked`);
      return true;
    },
  });
  expect(written.result.kind).toBe("sent");
  expect(order).toEqual(["begin, 0 asked"]);
  for (const begin of [async () => false, () => Promise.reject(new Error("no database"))]) {
    const { attempts, result } = await turn({ begin });
    expect(attempts).toEqual([]);
    expect(result).toMatchObject({ kind: "retry", code: "LEASE" });
  }
  expect(asked).toHaveLength(1);
});

test("the history keeps 500 characters of a provider's answer", async () => {
  const { turn } = channelOf({ smtp: { kind: "retry", code: "451", text: "x".repeat(9_000) } });
  expect((await turn()).attempts[0]?.text).toBe("x".repeat(500));
});

test("a channel's limit is that of its best provider: all, one probe, or none until the first is back", () => {
  const slot = (limit: number, until?: number) =>
    ({ health: { availability: () => ({ limit, ...(until !== undefined && { until }) }) } }) as ProviderSlot;
  const all = Number.POSITIVE_INFINITY;
  expect(channelAvailability([slot(0, 500), slot(all)], 100)).toEqual({ limit: all });
  expect(channelAvailability([slot(0, 500), slot(1)], 100)).toEqual({ limit: 1 });
  expect(channelAvailability([slot(0, 500), slot(0, 300)], 100)).toEqual({ limit: 0, until: 300 });
});

test("a send that never ends is unknown at the deadline, its signal aborts, and its late result is ignored", async () => {
  const { turn, slots } = channelOf({ smtp: "sent" });
  let signal: AbortSignal | undefined;
  let finish: (taken: { providerId: string }) => void = () => {};
  const [slot] = slots as [ProviderSlot];
  slot.provider.send = (_message, given) => {
    signal = given;
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  const ending = turn({ deadlineMs: 5_000 });
  await vi.advanceTimersByTimeAsync(4_999);
  expect(signal?.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(100);
  expect(signal?.aborted).toBe(true);
  const { attempts, result } = await ending;
  expect(told(attempts)).toEqual(["smtp unknown"]);
  expect(result).toMatchObject({ kind: "unknown", code: "TIMEOUT" });
  finish({ providerId: "late" });
  expect(told(attempts)).toEqual(["smtp unknown"]);
});

test("a provider that reacts to the deadline's signal determines the outcome", async () => {
  const { turn, slots } = channelOf({ smtp: "sent" });
  const [slot] = slots as [ProviderSlot];
  slot.provider.send = (_message, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(new SendError(later)));
    });
  const ending = turn({ deadlineMs: 5_000 });
  await vi.advanceTimersByTimeAsync(5_000);
  expect((await ending).result).toMatchObject({ kind: "retry", code: "451" });
});

test("a webhook target that never ends its answer does not count against the other targets", async () => {
  const { turn, slots, recipient } = channelOf({ webhook: "sent" }, { channel: "webhook" });
  recipient.webhook = { url: "https://hooks.example", secrets: [] };
  const [slot] = slots as [ProviderSlot];
  slot.provider.send = () => new Promise(() => {});
  for (let n = 0; n < 6; n++) {
    const ending = turn({ deadlineMs: 5_000 });
    await vi.advanceTimersByTimeAsync(6_000);
    expect((await ending).result).toMatchObject({ kind: "unknown", ailing: false });
  }
  expect(slot.health.state()).toMatchObject({ state: "ok" });
});
