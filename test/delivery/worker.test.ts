import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createTargets } from "../../src/delivery/targets.ts";
import { createWorker, type WorkerClaims, type WorkerOptions } from "../../src/delivery/worker.ts";
import type { DeliveryRun, HeldDelivery, Settlement } from "../../src/model/delivery.ts";

const leaseMs = 3_000;
const pollMs = 1_000;
type Result = DeliveryRun["result"];
const sent: Result = { kind: "sent" };

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Entry {
  state: string;
  due: number;
  tries: number;
  token?: string | undefined;
  until?: number;
}

/** A database double, kept in a Map; `away` makes every call fail. */
function ledger(count: number) {
  const entries = new Map<string, Entry>();
  for (let n = 0; n < count; n++) entries.set(`d${n}`, { state: "pending", due: 0, tries: 0 });
  const calls = { claim: 0, claimById: 0, renew: 0, release: 0, settle: 0, sweep: 0, lost: 0 };
  const control = { away: false, settleMs: 0, claimMs: 0 };
  const ask = async (name: keyof typeof calls, ms = 0) => {
    calls[name]++;
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    if (control.away) throw new Error("no database");
  };
  const held = (id: string, entry: Entry): HeldDelivery => ({
    id,
    notification: id,
    user: "u",
    channel: "email",
    content: { key: "new_login", at: 0 },
    tries: entry.tries,
    token: entry.token as string,
  });
  const ours = (one: HeldDelivery) => {
    const entry = entries.get(one.id);
    return entry?.token === one.token ? entry : undefined;
  };
  /** The due deliveries in order, after the time of a round trip. */
  async function take(
    ids: Iterable<string>,
    limit: number,
    lease: { token: string; until: number },
    now: number,
  ) {
    const won: HeldDelivery[] = [];
    for (const id of ids) {
      // As in MongoDB: a limit of 0 means no limit.
      if (limit > 0 && won.length === limit) break;
      const entry = entries.get(id);
      if (entry?.state !== "pending" || entry.due > now) continue;
      Object.assign(entry, { state: "sending", ...lease });
      won.push(held(id, entry));
    }
    if (control.claimMs > 0) await new Promise((resolve) => setTimeout(resolve, control.claimMs));
    return won;
  }
  const claims: WorkerClaims = {
    async claim(limit, lease, now) {
      await ask("claim");
      return take(entries.keys(), limit, lease, now);
    },
    async claimById(ids, lease, now) {
      await ask("claimById");
      return take(ids, ids.length, lease, now);
    },
    async renew(all, until) {
      await ask("renew");
      const kept = all.filter(ours);
      for (const one of kept) Object.assign(ours(one) as Entry, { until });
      return new Set(kept.map((one) => one.id));
    },
    async release(all, due) {
      await ask("release");
      for (const one of all) Object.assign(ours(one) ?? {}, { state: "pending", due, token: undefined });
    },
    async settle(settlements: Settlement[]) {
      await ask("settle", control.settleMs);
      let lost = 0;
      for (const { delivery, state, due, tries } of settlements) {
        const entry = ours(delivery);
        if (!entry) lost++;
        else Object.assign(entry, { state, tries, token: undefined, ...(due !== undefined && { due }) });
      }
      calls.lost += lost;
      return { lost };
    },
    async sweep(now) {
      await ask("sweep");
      const expired = [...entries.values()].filter(
        (one) => one.state === "sending" && (one.until ?? 0) < now,
      );
      for (const entry of expired) Object.assign(entry, { state: "pending", due: now, token: undefined });
      return expired.length;
    },
    async nextDue() {
      const pending = [...entries.values()].filter((one) => one.state === "pending");
      return pending.length > 0 ? Math.min(...pending.map((one) => one.due)) : undefined;
    },
  };
  return {
    entries,
    calls,
    control,
    claims,
    states: () => {
      const count: Record<string, number> = {};
      for (const { state } of entries.values()) count[state] = (count[state] ?? 0) + 1;
      return count;
    },
    /** Deliveries that a commit stored under a lease of ours. */
    commit(ids: string[], lease: { token: string; until: number }) {
      for (const id of ids) entries.set(id, { state: "sending", due: 0, tries: 0, ...lease });
      return ids.map((id) => held(id, entries.get(id) as Entry));
    },
  };
}

let tokens = 0;

/** A worker whose sends are `send`. Counts concurrent sends and records its log lines. */
function worker(
  claims: WorkerClaims,
  send: (delivery: HeldDelivery) => Result | Promise<Result> = () => sent,
  options: Partial<WorkerOptions> = {},
) {
  const sends: string[] = [];
  const settled: Settlement[] = [];
  const lines: string[] = [];
  const running = { now: 0, most: 0 };
  const made = createWorker({
    claims,
    async deliver(delivery) {
      sends.push(delivery.id);
      running.most = Math.max(running.most, ++running.now);
      const at = Date.now();
      const result = await send(delivery);
      running.now--;
      const asked = result.kind !== "hold" && result.kind !== "decided" && result.kind !== "held";
      const attempts: DeliveryRun["attempts"] = asked
        ? [
            {
              at,
              provider: "test",
              outcome: result.kind,
              ms: Date.now() - at,
              ...("code" in result && { code: result.code }),
            },
          ]
        : [];
      return { attempts, result };
    },
    availability: () => ({ limit: Number.POSITIVE_INFINITY }),
    policy: () => ({ delayMs: 1_000, factor: 2, maxRetries: 5, resendUnknown: true }),
    concurrency: 3,
    leaseMs,
    overdueMs: 60_000,
    pollMs,
    now: () => Date.now(),
    random: () => 0.5,
    newToken: () => `t${tokens++}`,
    onSettled: (settlement) => settled.push(settlement),
    log: {
      info: (_details, message) => lines.push(message),
      warn: (_details, message) => lines.push(message),
      error: (_details, message) => lines.push(message),
    },
    ...options,
  });
  return Object.assign(made, { sends, settled, lines, running });
}

/** Advances the time by `ms`, with everything that happens meanwhile. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** A process that is suspended and resumed: the clock goes on, its timers do not. */
const freeze = (ms: number) => vi.setSystemTime(Date.now() + ms);
const after = (ms: number, outcome: Result = sent) =>
  new Promise<Result>((resolve) => setTimeout(() => resolve(outcome), ms));
/** Sends that wait until the test answers them. */
function answering() {
  const open = new Map<string, (outcome: Result) => void>();
  return {
    open,
    send: (delivery: HeldDelivery) => new Promise<Result>((resolve) => open.set(delivery.id, resolve)),
    answer(id: string, outcome: Result = sent) {
      open.get(id)?.(outcome);
      open.delete(id);
    },
  };
}

test("sends everything due once, at most `concurrency` at a time", async () => {
  const { claims, states } = ledger(50);
  const one = worker(claims, () => after(20));
  one.start();
  await pass(2_000);
  expect(states()).toEqual({ sent: 50 });
  expect(new Set(one.sends).size).toBe(50);
  expect(one.sends).toHaveLength(50);
  expect(one.running.most).toBe(3);
  expect(one.settled).toHaveLength(50);
  await one.stop(0);
});

test("keeps a slot until the outcome is stored, so a crash repeats at most `concurrency` sends", async () => {
  const { claims, states, control } = ledger(10);
  control.settleMs = 500;
  const one = worker(claims);
  one.start();
  await pass(400);
  expect(one.sends).toHaveLength(3);
  expect(states()).toEqual({ sending: 10 });
  await pass(5_000);
  expect(states()).toEqual({ sent: 10 });
  await one.stop(0);
});

test("an idle worker queries once per poll, and accepted deliveries cost no query", async () => {
  const { claims, calls, commit, states } = ledger(0);
  const one = worker(claims);
  one.start();
  await pass(10 * pollMs);
  expect(calls.claim).toBeGreaterThanOrEqual(9);
  expect(calls.claim).toBeLessThanOrEqual(12);
  const before = calls.claim;
  for (let batch = 0; batch < 20; batch++) {
    const lease = one.reserve(5);
    if (!lease) throw new Error("an idle worker takes five");
    const ids = [0, 1, 2, 3, 4].map((n) => `own ${batch}.${n}`);
    one.accept(commit(ids, lease), lease.until);
    await pass(20);
  }
  expect(states()).toEqual({ sent: 100 });
  expect(one.sends).toHaveLength(100);
  expect(calls.claim - before).toBeLessThanOrEqual(1);
  await one.stop(0);
});

test("drained, it has sent everything that is due, and tells when the next delivery is", async () => {
  const { claims, entries, states } = ledger(50);
  const due = Date.now() + 60_000;
  entries.set("later", { state: "pending", due, tries: 0 });
  const one = worker(claims, () => after(20));
  const drained = one.drain();
  expect(one.isBusy()).toBe(true);
  await pass(2_000);
  expect(await drained).toBe(due);
  expect(one.isBusy()).toBe(false);
  expect(states()).toEqual({ sent: 50, pending: 1 });
  await one.stop(0);
});

test("drained while its providers are paused, it tells when they may be tried", async () => {
  const { claims, states } = ledger(1);
  const until = Date.now() + 60_000;
  const one = worker(claims, () => sent, { availability: () => ({ limit: 0, until }) });
  expect(await one.drain()).toBe(until);
  expect(states()).toEqual({ pending: 1 });
  await one.stop(0);
});

test("claims a backlog in batches of four times the concurrency", async () => {
  const { claims, calls, states } = ledger(120);
  const one = worker(claims, () => after(5));
  one.start();
  await pass(900);
  expect(states()).toEqual({ sent: 120 });
  expect(calls.claim).toBeLessThanOrEqual(20);
  await one.stop(0);
});

test("acts on a hint within 10 ms", async () => {
  const { claims, entries, states } = ledger(0);
  const one = worker(claims);
  one.start();
  await pass(1_500);
  entries.set("new", { state: "pending", due: Date.now(), tries: 0 });
  one.wake();
  await pass(15);
  expect(states()).toEqual({ sent: 1 });
  await one.stop(0);
});

test("sends a delivery when it is due, even between two polls", async () => {
  const { claims, entries, states } = ledger(0);
  const one = worker(claims);
  entries.set("soon", { state: "pending", due: Date.now() + 350, tries: 0 });
  one.start();
  await pass(340);
  expect(one.sends).toEqual([]);
  await pass(30);
  expect(states()).toEqual({ sent: 1 });
  await one.stop(0);
});

test("retries a transient failure at its due time and counts its tries", async () => {
  const { claims, states } = ledger(1);
  const times: number[] = [];
  const one = worker(claims, () => {
    times.push(Date.now());
    return times.length < 3 ? { kind: "retry", code: "451", text: "later" } : sent;
  });
  one.start();
  await pass(5_000);
  expect(states()).toEqual({ sent: 1 });
  const [first = 0, second = 0, third = 0] = times;
  // 1 s, then 2 s, and what a poll adds at most.
  expect(second - first).toBeGreaterThanOrEqual(1_000);
  expect(second - first).toBeLessThan(1_100);
  expect(third - second).toBeGreaterThanOrEqual(2_000);
  expect(third - second).toBeLessThan(2_100);
  expect(one.settled.map((settlement) => settlement.tries)).toEqual([1, 2, 3]);
  await one.stop(0);
});

test("renews the lease of a send that takes ten times as long, so no other worker gets it", async () => {
  const { claims, states, calls } = ledger(2);
  const slow = worker(claims, () => after(10 * leaseMs));
  const other = worker(claims);
  slow.start();
  await pass(50);
  other.start();
  await pass(10 * leaseMs + 100);
  expect(states()).toEqual({ sent: 2 });
  expect(slow.sends).toHaveLength(2);
  expect(other.sends).toEqual([]);
  expect(calls.lost).toBe(0);
  await Promise.all([slow.stop(0), other.stop(0)]);
});

test("a process suspended for two leases drops what it had not begun, and its late outcomes are refused", async () => {
  const { claims, entries, calls, states } = ledger(9);
  const hand = answering();
  const stopped = worker(claims, hand.send);
  stopped.start();
  await pass(50);
  expect([...hand.open.keys()]).toEqual(["d0", "d1", "d2"]);

  freeze(2 * leaseMs);
  const successor = await claims
    .sweep(Date.now())
    .then(() => claims.claim(9, { token: "next", until: Date.now() + leaseMs }, Date.now()));
  expect(successor).toHaveLength(9);
  for (const id of ["d0", "d1", "d2"]) hand.answer(id);
  await pass(100);
  // The three in progress at the suspension are sent twice; the six behind them are not begun.
  expect(stopped.sends).toEqual(["d0", "d1", "d2"]);
  expect(calls.lost).toBe(3);
  expect(states()).toEqual({ sending: 9 });
  expect([...entries.values()].every((entry) => entry.token === "next")).toBe(true);
  expect(stopped.lines.join("\n")).toContain("late outcomes refused: another worker holds the leases");
  await stopped.stop(0);
});

test("sweeps and sends what it dropped, once, when there is no other worker", async () => {
  const { claims, states } = ledger(9);
  const one = worker(claims, () => after(20));
  one.start();
  await pass(15);
  freeze(2 * leaseMs);
  await pass(2 * leaseMs);
  expect(states()).toEqual({ sent: 9 });
  for (const id of ["d3", "d4", "d5", "d6", "d7", "d8"])
    expect(one.sends.filter((other) => other === id)).toHaveLength(1);
  await one.stop(0);
});

test("begins no send in the last third of a lease when renewing fails", async () => {
  const { claims, control, states } = ledger(6);
  const one = worker(claims, () => after(2 * leaseMs));
  one.start();
  await pass(50);
  control.away = true;
  await pass(2 * leaseMs);
  expect(one.sends).toHaveLength(3);
  control.away = false;
  await pass(6 * leaseMs);
  expect(states()).toEqual({ sent: 6 });
  await one.stop(0);
});

test("a stop releases deliveries that have not begun and waits for those that have", async () => {
  const { claims, entries, states } = ledger(12);
  const one = worker(claims, () => after(700));
  one.start();
  await pass(50);
  let stopped = false;
  const stopping = one.stop(5_000).then(() => {
    stopped = true;
  });
  await pass(50);
  expect(states()).toEqual({ sending: 3, pending: 9 });
  expect(stopped).toBe(false);
  await pass(700);
  await stopping;
  expect(states()).toEqual({ sent: 3, pending: 9 });
  expect(one.sends).toHaveLength(3);
  expect([...entries.values()].filter((entry) => entry.token)).toEqual([]);
  const { due } = entries.get("d11") as Entry;
  expect(due).toBeLessThanOrEqual(Date.now());
  expect(one.reserve(1)).toBeUndefined();
});

test("a stop releases deliveries whose claim is answered during the stop", async () => {
  const { claims, control, states } = ledger(5);
  control.claimMs = 300;
  const one = worker(claims);
  one.start();
  await pass(50);
  expect(states()).toEqual({ sending: 5 });
  const atItsEnd = one.stop(5_000).then(states);
  await pass(400);
  expect(await atItsEnd).toEqual({ pending: 5 });
  expect(one.sends).toEqual([]);
});

test("a stop waits no longer than its grace period for a provider that hangs", async () => {
  const { claims } = ledger(1);
  const one = worker(claims, () => new Promise(() => {}));
  one.start();
  await pass(50);
  const begun = Date.now();
  let waited: number | undefined;
  void one.stop(2_000).then(() => {
    waited = Date.now() - begun;
  });
  await pass(10_000);
  expect(waited).toBe(2_000);
});

/** The channel's providers, which can be paused and resumed. A pause begins with the send that causes it. */
function providers() {
  let restsUntil = 0;
  return {
    availability: () =>
      restsUntil > Date.now() ? { limit: 0, until: restsUntil } : { limit: Number.POSITIVE_INFINITY },
    rest(ms: number): Result {
      restsUntil = Date.now() + ms;
      return { kind: "hold", until: restsUntil };
    },
  };
}

test("pauses a channel for a minute after one round of refusals, then tries again", async () => {
  const { claims, entries, calls, states } = ledger(10);
  const all = providers();
  let repaired = false;
  const one = worker(claims, () => (repaired ? sent : all.rest(60_000)), all);
  one.start();
  await pass(100);
  expect(one.sends.length).toBeLessThanOrEqual(3);
  expect(states()).toEqual({ pending: 10 });
  for (const { due, tries } of entries.values()) {
    expect(due).toBeGreaterThanOrEqual(1_060_000);
    expect(tries).toBe(0);
  }
  expect(one.reserve(1)).toBeUndefined();

  const before = { sends: one.sends.length, claims: calls.claim };
  await pass(55_000);
  expect(one.sends).toHaveLength(before.sends);
  expect(calls.claim).toBe(before.claims);
  repaired = true;
  await pass(10_000);
  expect(states()).toEqual({ sent: 10 });
  expect(one.settled.at(-1)).toMatchObject({ state: "sent", tries: 1 });
  await one.stop(0);
});

test("claims nothing while all providers are paused, and sends soon after one is available", async () => {
  const { claims, calls, states } = ledger(5);
  const all = providers();
  all.rest(30_000);
  const one = worker(claims, () => sent, all);
  one.start();
  for (let n = 0; n < 5; n++) {
    one.wake();
    await pass(5_000);
  }
  expect(calls.claim).toBe(0);
  expect(states()).toEqual({ pending: 5 });
  await pass(5_000 + pollMs);
  expect(states()).toEqual({ sent: 5 });
  await one.stop(0);
});

test("puts announced and claimed deliveries back unsent once the providers are paused", async () => {
  for (const announced of [false, true]) {
    const { claims, control, entries } = ledger(4);
    control.claimMs = 200;
    const all = providers();
    const one = worker(claims, () => sent, all);
    if (announced) void one.offer(["d0", "d1", "d2", "d3"]);
    else one.start();
    await pass(100);
    expect([...entries.values()].map((entry) => entry.state)).toEqual(Array(4).fill("sending"));
    const { until } = all.rest(20_000) as { until: number };
    await pass(200);
    expect(one.sends).toEqual([]);
    for (const entry of entries.values())
      expect(entry).toMatchObject({ state: "pending", tries: 0, due: until, token: undefined });
    await one.stop(0);
  }
});

test("puts reserved deliveries back unsent when the providers were paused during the commit", async () => {
  const { claims, commit, entries } = ledger(0);
  const hand = answering();
  const all = providers();
  const one = worker(claims, hand.send, all);
  one.start();
  const first = one.reserve(1) as { token: string; until: number };
  const second = one.reserve(3) as { token: string; until: number };
  one.accept(commit(["a"], first), first.until);
  hand.answer("a", all.rest(60_000));
  await pass(20);
  one.accept(commit(["b", "c", "d"], second), second.until);
  await pass(20);
  expect(one.sends).toEqual(["a"]);
  for (const entry of entries.values())
    expect(entry).toMatchObject({ state: "pending", tries: 0, due: 1_060_000 });
  await one.stop(0);
});

test("when no provider is available for a delivery, the queued ones are put back to the same time", async () => {
  const { claims, entries, states } = ledger(12);
  const hand = answering();
  // For example, the channel's rate is used up while its providers work.
  const one = worker(claims, hand.send);
  one.start();
  await pass(50);
  expect([...hand.open.keys()]).toEqual(["d0", "d1", "d2"]);
  const until = Date.now() + 40_000;
  hand.answer("d0", { kind: "hold", until });
  await pass(20);
  expect(one.sends).toEqual(["d0", "d1", "d2"]);
  expect(states()).toEqual({ sending: 2, pending: 10 });
  for (const [id, { state, due, tries, token }] of entries)
    if (state === "pending")
      expect({ id, due, tries, token }).toEqual({ id, due: until, tries: 0, token: undefined });
  // The two in progress are not affected.
  hand.answer("d1");
  hand.answer("d2");
  await pass(20);
  expect(states()).toEqual({ sent: 2, pending: 10 });
  await one.stop(0);
});

test("a provider under probe gets one delivery at a time, however many wait", async () => {
  const { claims, calls, entries, states } = ledger(10);
  const hand = answering();
  let ailing = true;
  const one = worker(claims, hand.send, {
    availability() {
      if (!ailing) return { limit: Number.POSITIVE_INFINITY };
      return hand.open.size > 0 ? { limit: 0, until: Date.now() + 1_000 } : { limit: 1 };
    },
  });
  one.start();
  await pass(3 * pollMs);
  expect([...hand.open.keys()]).toEqual(["d0"]);
  expect(states()).toEqual({ sending: 1, pending: 9 });
  expect(calls.claim).toBe(1);
  expect(one.reserve(1)).toBeUndefined();
  hand.answer("d0", { kind: "hold", until: Date.now() + 5_000 });
  // Nothing is sent before the time in the run's result.
  await pass(2 * pollMs);
  expect([...hand.open.keys()]).toEqual([]);
  await pass(5_000);
  expect(hand.open.size).toBe(1);
  expect(states()).toEqual({ sending: 1, pending: 9 });
  expect(one.reserve(2)).toBeUndefined();
  ailing = false;
  hand.answer("d1");
  await pass(pollMs + 50);
  expect(hand.open.size).toBe(3);
  for (let round = 0; round < 100 && hand.open.size > 0; round++) {
    for (const id of [...hand.open.keys()]) hand.answer(id);
    await pass(100);
  }
  await pass(6_000);
  hand.answer("d0");
  await pass(100);
  expect(states()).toEqual({ sent: 10 });
  expect([...entries.values()].every((entry) => entry.tries === 1)).toBe(true);
  await one.stop(0);
});

test("sends deliveries announced by id at once, without querying for due ones", async () => {
  const { claims, calls, entries, states } = ledger(0);
  const one = worker(claims);
  one.start();
  await pass(100);
  const before = calls.claim;
  for (let n = 0; n < 6; n++) entries.set(`d${n}`, { state: "pending", due: Date.now(), tries: 0 });
  await one.offer(["d1", "d3", "d5"]);
  await pass(10);
  expect(one.sends).toEqual(["d1", "d3", "d5"]);
  expect(states()).toEqual({ pending: 3, sent: 3 });
  expect(calls.claimById).toBe(1);
  expect(calls.claim).toBe(before);
  // Announced deliveries that another worker has, or that are announced twice, are left alone.
  await one.offer(["d1", "no such", "d0", "d0"]);
  expect(calls.claimById).toBe(2);
  await pass(2 * pollMs);
  expect(states()).toEqual({ sent: 6 });
  expect(one.sends).toHaveLength(6);
  await one.stop(0);
});

test("claims as many announced deliveries as it has room for, and finds the rest by the next poll", async () => {
  const { claims, states } = ledger(40);
  const hand = answering();
  const one = worker(claims, hand.send);
  one.start();
  await pass(15);
  expect(states()).toEqual({ sending: 12, pending: 28 });
  await one.offer(Array.from({ length: 28 }, (_, n) => `d${n + 12}`));
  // Three are under way, nine wait: three places were free.
  expect(states()).toEqual({ sending: 15, pending: 25 });
  for (let round = 0; round < 20; round++) {
    for (const id of [...hand.open.keys()]) hand.answer(id);
    await pass(50);
  }
  expect(states()).toEqual({ sent: 40 });
  expect(new Set(one.sends).size).toBe(40);
  expect(one.sends).toHaveLength(40);
  await one.stop(0);
});

test("announcements that fill the queue cause no claim of other deliveries", async () => {
  const { claims, control, states } = ledger(60);
  control.claimMs = 50;
  const hand = answering();
  const one = worker(claims, hand.send);
  const ids = (from: number) => Array.from({ length: 10 }, (_, n) => `d${from + n}`);
  for (const from of [0, 10, 20, 30]) void one.offer(ids(from));
  await pass(200);
  // Capacity is twelve, and three are under way.
  expect(states().sending).toBeLessThanOrEqual(15);
  for (let round = 0; round < 60; round++) {
    for (const id of [...hand.open.keys()]) hand.answer(id);
    await pass(100);
  }
  one.wake();
  await pass(2 * pollMs);
  for (let round = 0; round < 60; round++) {
    for (const id of [...hand.open.keys()]) hand.answer(id);
    await pass(100);
  }
  expect(states()).toEqual({ sent: 60 });
  expect(one.sends).toHaveLength(60);
  await one.stop(0);
});

test("finds a delivery later when it was announced while the database was down", async () => {
  const { claims, control, states } = ledger(2);
  control.away = true;
  const one = worker(claims);
  await one.offer(["d0", "d1"]);
  expect(one.lines).toContain("could not claim announced deliveries; the next poll finds them");
  one.start();
  await pass(500);
  control.away = false;
  await pass(2 * pollMs);
  expect(states()).toEqual({ sent: 2 });
  await one.stop(0);
});

test("a stop waits for announced deliveries that are being claimed and releases them", async () => {
  const { claims, control, states } = ledger(3);
  control.claimMs = 300;
  const one = worker(claims);
  void one.offer(["d0", "d1", "d2"]);
  await pass(50);
  expect(states()).toEqual({ sending: 3 });
  const atItsEnd = one.stop(5_000).then(states);
  await pass(400);
  expect(await atItsEnd).toEqual({ pending: 3 });
  expect(one.sends).toEqual([]);
  await one.offer(["d0"]);
  expect(states()).toEqual({ pending: 3 });
});

test("stores an outcome once the database is back, without sending the mail again", async () => {
  const { claims, control, states } = ledger(1);
  const hand = answering();
  const one = worker(claims, hand.send);
  one.start();
  await pass(50);
  control.away = true;
  hand.answer("d0");
  await pass(1_500);
  expect(states()).toEqual({ sending: 1 });
  expect(one.lines).toContain("an outcome could not be stored; trying again");
  control.away = false;
  await pass(2_000);
  expect(states()).toEqual({ sent: 1 });
  await pass(4 * leaseMs);
  expect(one.sends).toEqual(["d0"]);
  expect(one.settled).toHaveLength(1);
  await one.stop(0);
});

test("frees the slot of an outcome that cannot be stored within the lease", async () => {
  const { claims, control, states } = ledger(6);
  const hand = answering();
  const one = worker(claims, hand.send);
  one.start();
  await pass(50);
  control.away = true;
  for (const id of ["d0", "d1", "d2"]) hand.answer(id);
  await pass(3 * leaseMs);
  expect(one.settled).toEqual([]);
  control.away = false;
  await pass(2 * leaseMs);
  for (const id of [...hand.open.keys()]) hand.answer(id);
  await pass(2 * leaseMs);
  for (const id of [...hand.open.keys()]) hand.answer(id);
  await pass(2 * leaseMs);
  expect(states()).toEqual({ sent: 6 });
  await one.stop(0);
});

test("retries until a database that is down at the start answers", async () => {
  const { claims, control, states } = ledger(3);
  control.away = true;
  const one = worker(claims);
  one.start();
  await pass(5_000);
  expect(one.sends).toEqual([]);
  control.away = false;
  await pass(2_000);
  expect(states()).toEqual({ sent: 3 });
  await one.stop(0);
});

test("reserves no more deliveries than it will soon send", async () => {
  const { claims, commit } = ledger(0);
  const one = worker(claims, () => new Promise(() => {}));
  one.start();
  expect(one.reserve(13)).toBeUndefined();
  const lease = one.reserve(12);
  expect(lease?.until).toBe(Date.now() + leaseMs);
  if (lease) {
    const ids = Array.from({ length: 12 }, (_, n) => `r${n}`);
    one.accept(commit(ids, lease), lease.until);
  }
  // Three are under way, nine wait.
  expect(one.reserve(4)).toBeUndefined();
  expect(one.reserve(3)).toBeDefined();
  void one.stop(0);
  await pass(1);
});

test("counts a delivery that does not end as overdue and logs it once", async () => {
  const { claims } = ledger(2);
  const { send, answer } = answering();
  const one = worker(claims, send, { overdueMs: 10_000 });
  one.start();
  await pass(9_000);
  expect(one.overdue()).toBe(0);
  await pass(30_000);
  expect(one.overdue()).toBe(2);
  const alarms = () => one.lines.filter((line) => /deliveries take too long/.test(line));
  expect(alarms()).toHaveLength(1);
  answer("d0");
  answer("d1");
  await pass(6_000);
  expect(one.overdue()).toBe(0);
  expect(alarms()).toHaveLength(1);
  expect(one.lines.at(-1)).toMatch(/no delivery is overdue any more/);
  await one.stop(0);
});

test("a silent target delays no other target, loses nothing, and costs waiting deliveries no try", async () => {
  const { claims, entries, states } = ledger(160);
  const other = 159;
  let silent = true;
  const now = () => Date.now();
  const one = worker(
    claims,
    async ({ id }): Promise<Result> => {
      if (!silent || id === `d${other}`) return after(20);
      return after(15_000, { kind: "unknown", code: "TIMEOUT", text: "", ailing: false });
    },
    {
      concurrency: 16,
      leaseMs: 30_000,
      targets: createTargets({ now, concurrency: 16 }),
      targetOf: async ({ id }) => (id === `d${other}` ? "good" : "silent"),
    },
  );
  one.start();
  await pass(5_000);
  expect(entries.get(`d${other}`)?.state).toBe("sent");
  expect(one.running.now).toBe(4);
  await pass(10 * 60_000);
  const tried = one.sends.length - 1;
  expect(tried).toBeLessThan(20);
  expect([...entries.values()].reduce((sum, { tries }) => sum + tries, 0)).toBeLessThan(20 + 1);
  silent = false;
  await pass(30 * 60_000);
  expect(states()).toEqual({ sent: 160 });
  await one.stop(0);
});

test("a single delivery finds room beside claimed ones of a broadcast, and goes before them", async () => {
  const book = ledger(0);
  const { send, answer } = answering();
  const one = worker(book.claims, send, { concurrency: 1 });
  const take = (ids: string[], bulk: boolean) => {
    const lease = one.reserve(ids.length);
    if (!lease) throw new Error("no room");
    const held = book.commit(ids, lease);
    one.accept(bulk ? held.map((each) => ({ ...each, bulk: true as const })) : held, lease.until);
  };
  take(["b0", "b1", "b2", "b3"], true);
  take(["s0", "s1"], false);
  await pass(0);
  for (const id of ["b0", "s0", "s1", "b1", "b2", "b3"]) {
    answer(id);
    await pass(10);
  }
  expect(one.sends).toStrictEqual(["b0", "s0", "s1", "b1", "b2", "b3"]);
});
