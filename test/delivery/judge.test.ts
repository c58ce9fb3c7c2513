import { expect, test } from "vitest";
import { createJudge } from "../../src/delivery/judge.ts";
import type { AttemptOutcome } from "../../src/model/delivery.ts";

const minute = 60_000;
const remedy = "Check the relay.";
const plain = { kind: "rejected", reason: "address", code: "550", text: "550 no" } as const;
const unnamed: AttemptOutcome = { ...plain, doubt: { named: false, remedy } };
const named: AttemptOutcome = { ...plain, doubt: { named: true, remedy } };
const exact: AttemptOutcome = { ...plain, code: "550 5.1.1" };
const relay: AttemptOutcome = {
  kind: "misconfigured",
  code: "550",
  text: "relay",
  remedy,
  perhapsOneOnly: true,
};
const sent: AttemptOutcome = { kind: "sent" };
const us = { kind: "misconfigured", code: "550", text: "550 no", remedy };

function clocked() {
  const clock = { now: 1_000_000_000 };
  const judge = createJudge(() => clock.now);
  return {
    clock,
    judge: (outcome: AttemptOutcome, to: string, since = clock.now) => judge(outcome, to, since),
  };
}

test("keeps a refusal with an exact code", () => {
  expect(clocked().judge(exact, "a")).toEqual(exact);
});

test("a server that refuses everybody without a reason counts as misconfigured, and no address is suppressed", () => {
  const { clock, judge } = clocked();
  for (let n = 0; n < 50; n++) {
    expect(judge(unnamed, `user${n}`)).toEqual(us);
    clock.now += minute;
  }
  // Repaired: all recipients are accepted, including those refused before.
  for (let n = 0; n < 50; n++) expect(judge(sent, `user${n}`)).toEqual(sent);
});

test("a server that breaks while in use causes no suppression", () => {
  const { judge } = clocked();
  for (let n = 0; n < 50; n++) judge(sent, `user${n}`);
  const after = Array.from({ length: 50 }, (_, n) => judge(unnamed, `user${n}`));
  expect(after.slice(0, 4)).toEqual(
    Array(4).fill({ kind: "retry", code: "550", text: "550 no", afterMs: minute, free: true }),
  );
  expect(after.slice(4)).toEqual(Array(46).fill(us));
});

test("an address that is refused again after another was accepted is bad", () => {
  const { clock, judge } = clocked();
  judge(sent, "good");
  expect(judge(unnamed, "bad")).toMatchObject({ kind: "retry", free: true });
  clock.now += minute;
  judge(sent, "good");
  expect(judge(unnamed, "bad")).toEqual(plain);
});

test("a lone recipient fails after a day and is not suppressed", () => {
  const { clock, judge } = clocked();
  const since = clock.now;
  expect(judge(unnamed, "only", since)).toEqual(us);
  clock.now += 24 * 60 * minute;
  expect(judge(unnamed, "only", since)).toEqual(us);
  clock.now += 1;
  expect(judge(unnamed, "only", since)).toEqual({ ...plain, remember: false });
});

test("a refusal that names the mailbox fails at once, and suppresses only if another recipient was accepted", () => {
  const { clock, judge } = clocked();
  expect(judge(named, "bad")).toEqual({ ...plain, remember: false });
  judge(sent, "good");
  expect(judge(named, "bad")).toEqual(plain);
  clock.now += 10 * minute;
  expect(judge(named, "bad")).toEqual({ ...plain, remember: false });
  for (const to of ["b", "c", "d"]) judge(named, to);
  expect(judge(named, "e")).toEqual(us);
});

test("a repeated refusal of us for one recipient only ends as policy", () => {
  const { judge } = clocked();
  const outcomes = Array.from({ length: 4 }, () => {
    judge(sent, "good");
    return judge(relay, "abroad");
  });
  expect(outcomes.slice(0, 3)).toEqual([relay, relay, relay]);
  expect(outcomes[3]).toEqual({ kind: "rejected", reason: "policy", code: "550", text: "relay" });
});

test("a refusal of us for everybody stays a refusal of us, however often it is repeated", () => {
  const { judge } = clocked();
  judge(sent, "a");
  for (let n = 0; n < 100; n++) expect(judge(relay, "a")).toEqual(relay);
});
