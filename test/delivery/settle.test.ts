import { describe, expect, test } from "vitest";
import { settlementOf } from "../../src/delivery/worker.ts";
import type { Attempt, AttemptOutcome, DeliveryRun, HeldDelivery } from "../../src/model/delivery.ts";

const policy = { delayMs: 10_000, factor: 2, maxRetries: 2, resendUnknown: true };
const careful = { ...policy, resendUnknown: false };
const now = 1_000_250;
const held = (tries: number): HeldDelivery => ({
  id: "a".repeat(24),
  notification: "b".repeat(24),
  user: "u",
  channel: "email",
  content: { key: "new_login", at: 0 },
  tries,
  token: "c".repeat(24),
});
/** An attempt as `deliver` records it. */
const line = (outcome: AttemptOutcome["kind"], provider = "smtp"): Attempt => ({
  at: 1_000_000,
  provider,
  outcome,
  ms: 250,
});
const settle = (tries: number, turn: DeliveryRun, rule = policy) =>
  settlementOf(held(tries), turn, now, rule, 0.5);

/** The settlement of a run with one provider. */
const turns = {
  sent: {
    attempts: [line("sent")],
    result: { kind: "sent", providerId: "<id@sender>", text: "250 ok" },
  },
  retry: { attempts: [line("retry")], result: { kind: "retry", code: "451", text: "451 later" } },
  patient: {
    attempts: [line("retry")],
    result: { kind: "retry", code: "450 4.7.1", text: "450 4.7.1 greylisted", afterMs: 300_000 },
  },
  unknown: { attempts: [line("unknown")], result: { kind: "unknown", code: "ECONNECTION", text: "closed" } },
  rejected: {
    attempts: [line("rejected")],
    result: { kind: "rejected", reason: "address", code: "550 5.1.1", text: "550 5.1.1 nobody" },
  },
  /** Our configuration was refused: the provider is paused, and there is no other. */
  misconfigured: { attempts: [line("misconfigured")], result: { kind: "hold", until: now + 60_000 } },
  /** All providers were already paused. */
  hold: { attempts: [], result: { kind: "hold", until: now + 7_000 } },
  skip: {
    attempts: [],
    result: {
      kind: "decided",
      decision: {
        verdict: "skip",
        rule: "no_address",
        reason: "no_address",
        text: "the user has no address for email",
      },
    },
  },
  /** A rule makes it wait: it uses up no try. */
  later: {
    attempts: [],
    result: { kind: "decided", decision: { verdict: "later", rule: "quiet", until: now + 9_000 } },
  },
  /** No provider was asked, because the message could not be rendered. */
  template: {
    attempts: [],
    result: { kind: "rejected", reason: "template", code: "TEMPLATE", text: "no such" },
  },
} satisfies Record<string, DeliveryRun>;

const spent = { state: "failed", reason: "exhausted", tries: 3 };
const nowhere = {
  state: "skipped",
  reason: "no_address",
  detail: "the user has no address for email",
  decision: { at: now, verdict: "skip", rule: "no_address" },
};
const waiting = {
  state: "pending",
  due: now + 9_000,
  decision: { at: now, verdict: "later", rule: "quiet", until: now + 9_000 },
};
/** [run, tries before, next state of the delivery] with at most 2 retries, 10 s and factor 2, no jitter. */
const table: Array<[keyof typeof turns, number, object]> = [
  ["sent", 0, { state: "sent", tries: 1, providerId: "<id@sender>" }],
  ["sent", 1, { state: "sent", tries: 2, providerId: "<id@sender>" }],
  ["sent", 2, { state: "sent", tries: 3, providerId: "<id@sender>" }],
  ["retry", 0, { state: "pending", tries: 1, due: now + 10_000 }],
  ["retry", 1, { state: "pending", tries: 2, due: now + 20_000 }],
  ["retry", 2, spent],
  ["patient", 0, { state: "pending", tries: 1, due: now + 300_000 }],
  ["patient", 1, { state: "pending", tries: 2, due: now + 300_000 }],
  ["patient", 2, spent],
  ["unknown", 0, { state: "pending", tries: 1, due: now + 10_000 }],
  ["unknown", 1, { state: "pending", tries: 2, due: now + 20_000 }],
  ["unknown", 2, spent],
  ["rejected", 0, { state: "failed", tries: 1, reason: "address" }],
  ["rejected", 1, { state: "failed", tries: 2, reason: "address" }],
  ["rejected", 2, { state: "failed", tries: 3, reason: "address" }],
  ["misconfigured", 0, { state: "pending", tries: 0, due: now + 60_000 }],
  ["misconfigured", 1, { state: "pending", tries: 1, due: now + 60_000 }],
  ["misconfigured", 2, { state: "pending", tries: 2, due: now + 60_000 }],
  ["hold", 0, { state: "pending", tries: 0, due: now + 7_000 }],
  ["hold", 1, { state: "pending", tries: 1, due: now + 7_000 }],
  ["hold", 2, { state: "pending", tries: 2, due: now + 7_000 }],
  ["skip", 0, { ...nowhere, tries: 0 }],
  ["skip", 1, { ...nowhere, tries: 1 }],
  ["skip", 2, { ...nowhere, tries: 2 }],
  ["later", 0, { ...waiting, tries: 0 }],
  ["later", 2, { ...waiting, tries: 2 }],
  ["template", 0, { state: "failed", tries: 0, reason: "template", detail: "no such" }],
  ["template", 2, { state: "failed", tries: 2, reason: "template", detail: "no such" }],
];

test.each(table)("a run that ends as %s after %i tries", (name, tries, expected) => {
  const { delivery, attempts, ...becomes } = settle(tries, turns[name]);
  expect(becomes).toEqual(expected);
  expect(delivery).toEqual(held(tries));
  expect(attempts).toEqual(turns[name].attempts);
});

describe("a type with on_timeout give_up", () => {
  test.each([0, 1, 2])("is uncertain after a time-out and %i tries", (tries) => {
    const { delivery: _, attempts, ...becomes } = settle(tries, turns.unknown, careful);
    expect(becomes).toEqual({ state: "uncertain", reason: "unanswered", tries: tries + 1 });
    expect(attempts).toEqual(turns.unknown.attempts);
  });

  test.each(table.filter(([name]) => name !== "unknown"))(
    "%s after %i tries settles as for every other type",
    (name, tries) => {
      expect(settle(tries, turns[name], careful)).toEqual(settle(tries, turns[name]));
    },
  );
});

describe("a run with several providers", () => {
  const taken = { kind: "sent", providerId: "p" } as const;
  const later = { kind: "retry", code: "503", text: "503" } as const;

  test("counts as one try, and its history lists all providers in order", () => {
    const attempts = [line("retry", "mailgun"), line("sent", "smtp")];
    expect(settle(1, { attempts, result: taken })).toEqual({
      delivery: held(1),
      attempts,
      state: "sent",
      tries: 2,
      providerId: "p",
    });
    const both = [line("retry", "mailgun"), line("retry", "smtp")];
    expect(settle(0, { attempts: both, result: later })).toMatchObject({ state: "pending", tries: 1 });
    expect(settle(2, { attempts: both, result: later })).toMatchObject(spent);
  });

  test("counts as a try unless all providers refused our configuration", () => {
    const mixed = [line("misconfigured", "mailgun"), line("retry", "smtp")];
    expect(settle(0, { attempts: mixed, result: later })).toMatchObject({ tries: 1, due: now + 10_000 });
    const refused = [line("misconfigured", "mailgun"), line("misconfigured", "smtp")];
    expect(settle(0, { attempts: refused, result: turns.misconfigured.result })).toMatchObject({ tries: 0 });
  });
});

test("a message is sent even without an id from the provider", () => {
  expect(settle(0, { attempts: [line("sent")], result: { kind: "sent" } })).not.toHaveProperty("providerId");
});
