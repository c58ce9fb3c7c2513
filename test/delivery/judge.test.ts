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

test("a refusal with an exact code is taken as it is", () => {
  expect(clocked().judge(exact, "a")).toEqual(exact);
});

test("a server that refuses everybody without a word is misconfigured, and nobody is to blame", () => {
  const { clock, judge } = clocked();
  for (let n = 0; n < 50; n++) {
    expect(judge(unnamed, `user${n}`)).toEqual(us);
    clock.now += minute;
  }
  // Mended: everybody is accepted, those refused before too.
  for (let n = 0; n < 50; n++) expect(judge(sent, `user${n}`)).toEqual(sent);
});

test("a server that breaks in the middle of its work blames nobody", () => {
  const { judge } = clocked();
  for (let n = 0; n < 50; n++) judge(sent, `user${n}`);
  const after = Array.from({ length: 50 }, (_, n) => judge(unnamed, `user${n}`));
  expect(after.slice(0, 4)).toEqual(
    Array(4).fill({ kind: "retry", code: "550", text: "550 no", afterMs: minute, free: true }),
  );
  expect(after.slice(4)).toEqual(Array(46).fill(us));
});

test("an address that is refused again after somebody else was accepted is bad", () => {
  const { clock, judge } = clocked();
  judge(sent, "good");
  expect(judge(unnamed, "bad")).toMatchObject({ kind: "retry", free: true });
  clock.now += minute;
  judge(sent, "good");
  expect(judge(unnamed, "bad")).toEqual(plain);
});

test("the only recipient of all fails after a day, and is not remembered", () => {
  const { clock, judge } = clocked();
  const since = clock.now;
  expect(judge(unnamed, "only", since)).toEqual(us);
  clock.now += 24 * 60 * minute;
  expect(judge(unnamed, "only", since)).toEqual(us);
  clock.now += 1;
  expect(judge(unnamed, "only", since)).toEqual({ ...plain, remember: false });
});

test("words that name the mailbox fail it at once, and it is remembered only beside somebody who is accepted", () => {
  const { clock, judge } = clocked();
  expect(judge(named, "bad")).toEqual({ ...plain, remember: false });
  judge(sent, "good");
  expect(judge(named, "bad")).toEqual(plain);
  clock.now += 10 * minute;
  expect(judge(named, "bad")).toEqual({ ...plain, remember: false });
  for (const to of ["b", "c", "d"]) judge(named, to);
  expect(judge(named, "e")).toEqual(us);
});

test("a refusal of us that meets one recipient alone, time and again, ends as policy", () => {
  const { judge } = clocked();
  const outcomes = Array.from({ length: 4 }, () => {
    judge(sent, "good");
    return judge(relay, "abroad");
  });
  expect(outcomes.slice(0, 3)).toEqual([relay, relay, relay]);
  expect(outcomes[3]).toEqual({ kind: "rejected", reason: "policy", code: "550", text: "relay" });
});

test("a refusal of us that meets everybody stays one, however often it is repeated", () => {
  const { judge } = clocked();
  judge(sent, "a");
  for (let n = 0; n < 100; n++) expect(judge(relay, "a")).toEqual(relay);
});
