import { expect, test } from "vitest";
import { type Decision, decide, type Facts } from "../../src/model/decide.ts";
import type { Preferences } from "../../src/model/preferences.ts";

const at = Date.UTC(2026, 5, 1, 12);
const minute = 60_000;

/** Nothing stands against it. */
const free: Facts = {
  type: { key: "comment", mandatory: false, category: "social" },
  channel: "email",
  rules: {},
  at,
  now: at,
  preferences: {},
  zone: "UTC",
};

const verdict = ({ verdict, rule }: Decision) => `${verdict} ${rule}`;

/** Each breaks one rule. In the order in which the rules are asked. */
const alone: Array<[string, Partial<Facts>]> = [
  ["skip expires", { rules: { expires: "1m" }, now: at + minute }],
  ["later after", { rules: { after: "15m" } }],
  ["skip suppressed", { unreachable: { reason: "suppressed", text: "bounced" } }],
  ["skip muted_until", { preferences: { muted_until: "2026-06-01T12:00:01Z" } }],
  ["skip preference:types.comment.email", { preferences: { types: { comment: { email: false } } } }],
  ["skip unless:read", { rules: { unless: "read" }, item: { read: true, seen: true, archived: false } }],
  ["skip if:data.public == true", { unmet: "data.public == true" }],
  ["skip if_failed:sms", { rules: { if_failed: "sms" }, sibling: { state: "sent", due: at } }],
  ["later quiet", { preferences: { quiet: [{ from: "11:00", to: "13:00" }] } }],
  ["skip no_address", { unreachable: { reason: "no_address", text: "none" } }],
];

test("nothing stands against it: it is sent", () => {
  expect(decide(free)).toStrictEqual({ verdict: "send", rule: "send" });
});

test.each(alone)("alone, %s", (expected, facts) => {
  expect(verdict(decide({ ...free, ...facts }))).toBe(expected);
});

test("of two rules the earlier one decides", () => {
  for (const [earlier, [expected, facts]] of alone.entries())
    for (const [, more] of alone.slice(earlier + 1)) {
      const both: Facts = {
        ...free,
        ...more,
        ...facts,
        rules: { ...more.rules, ...facts.rules },
        preferences: { ...more.preferences, ...facts.preferences },
        now: Math.max(more.now ?? at, facts.now ?? at),
      };
      // Two values of one fact.
      if (facts.unreachable && more.unreachable) continue;
      // Once it has expired, the wait is over too.
      if (expected === "later after" && both.now > at) continue;
      expect(verdict(decide(both)), `${expected} before ${JSON.stringify(more)}`).toBe(expected);
    }
});

test.each(alone)("a mandatory type passes what the user chose, and nothing else: %s", (expected, facts) => {
  const decision = decide({ ...free, ...facts, type: { ...free.type, mandatory: true } });
  const chosen = /muted|preference|quiet/.test(expected);
  expect(verdict(decision)).toBe(chosen ? "send mandatory" : expected);
});

test.each([
  [
    "a user's choice for the type and channel",
    { types: { comment: { email: true } }, categories: { social: { email: false } } },
    "send",
  ],
  [
    "then the category's channel",
    { categories: { social: { email: true } }, types: { comment: false } },
    "send",
  ],
  ["then the type", { types: { comment: true }, categories: { social: false } }, "send"],
  ["then the category", { categories: { social: true }, "*": { email: false } }, "send"],
  ["then the channel", { "*": { email: true, "*": false } }, "send"],
  ["then everything", { "*": false }, "skip"],
])("the most specific choice wins: %s", (_which, preferences, expected) => {
  expect(decide({ ...free, preferences }).verdict).toBe(expected);
});

test("a rhythm gathers, for what it was chosen: a type, a category or everything", () => {
  const chosen = (preferences: Preferences) => decide({ ...free, preferences });
  expect(chosen({ types: { comment: { email: "daily" } } })).toMatchObject({
    verdict: "hold",
    rule: "preference:types.comment.email",
    hold: { scope: "types.comment" },
  });
  expect(chosen({ categories: { social: "hourly" } })).toMatchObject({
    hold: { scope: "categories.social" },
  });
  expect(chosen({ "*": { email: "weekly" } })).toMatchObject({ hold: { scope: "*" } });
  const type = { ...free.type, mandatory: true };
  expect(decide({ ...free, type, preferences: { "*": "daily" } }).verdict).toBe("send");
});

test("a muted topic is stronger than a choice for the type", () => {
  const cell = { ...free, preferences: { topics: { "post:7": false }, types: { comment: { email: true } } } };
  expect(decide(cell).verdict).toBe("send");
  expect(verdict(decide({ ...cell, topic: "post:7" }))).toBe("skip preference:topics.post:7");
});

test("a category's default holds until the user chooses; a locked one holds always", () => {
  const off = { ...free.type, defaults: { default: { email: false, "*": true } } };
  expect(verdict(decide({ ...free, type: off }))).toBe("skip preference:default");
  const chosen = { categories: { social: { email: true as const } } };
  expect(decide({ ...free, type: off, preferences: chosen }).verdict).toBe("send");
  const locked = { ...off, defaults: { ...off.defaults, locked: true } };
  expect(verdict(decide({ ...free, type: locked, preferences: chosen }))).toBe("skip preference:default");
});

test("the inbox keeps its items while the user has muted everything, and in quiet hours", () => {
  const preferences = { muted_until: "2030-01-01T00:00:00Z", quiet: [{ from: "00:00", to: "23:59" }] };
  expect(decide({ ...free, channel: "inbox", preferences }).verdict).toBe("send");
});

test.each([
  ["pending", undefined, "later"],
  ["sending", undefined, "later"],
  ["sent", undefined, "skip"],
  ["delivered", undefined, "skip"],
  ["canceled", undefined, "skip"],
  ["failed", "exhausted", "send"],
  ["uncertain", "unanswered", "send"],
  ["skipped", "no_address", "send"],
  ["skipped", "suppressed", "send"],
  ["skipped", "preference", "skip"],
  ["skipped", "condition", "skip"],
] as const)("`if_failed` after a delivery that is %s, reason %s: %s", (state, reason, expected) => {
  const facts = { ...free, rules: { if_failed: "sms" }, sibling: { state, reason, due: at + minute } };
  expect(decide(facts).verdict).toBe(expected);
});

test("`if_failed` waits for the sibling's next try", () => {
  const sibling = { state: "pending" as const, due: at + 10 * minute };
  expect(decide({ ...free, rules: { if_failed: "sms" }, sibling })).toMatchObject({
    until: at + 10 * minute + 5_000,
  });
});

test("`if_failed` without such a delivery has nothing to wait for", () => {
  expect(decide({ ...free, rules: { if_failed: "sms" } }).verdict).toBe("send");
});
