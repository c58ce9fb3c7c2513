import { describe, expect, test } from "vitest";
import { channelOf } from "../../src/channels/index.ts";
import { deliver } from "../../src/delivery/deliver.ts";
import {
  channelAvailability,
  createHealth,
  type HealthState,
  type ProviderSlot,
} from "../../src/delivery/slot.ts";
import { settlementOf } from "../../src/delivery/worker.ts";
import { type AttemptOutcome, type HeldDelivery, SendError } from "../../src/model/delivery.ts";
import { withoutRules } from "./without-rules.ts";

const ailing: AttemptOutcome = { kind: "retry", code: "ECONNREFUSED", text: "refused", ailing: true };
const unknown: AttemptOutcome = { kind: "unknown", code: "TIMEOUT", text: "no answer" };
const sent: AttemptOutcome = { kind: "sent" };
const config = { kind: "misconfigured", code: "401", text: "Forbidden", remedy: "Check the key." } as const;
const busy: AttemptOutcome = { kind: "retry", code: "450", text: "this mailbox is busy" };
const no: AttemptOutcome = { kind: "rejected", reason: "address", code: "550", text: "no such user" };

function clocked() {
  const clock = { now: 1_000_000 };
  const changes: HealthState[] = [];
  const health = createHealth({ now: () => clock.now, onChange: (state) => changes.push(state) });
  const attempt = (outcome: AttemptOutcome) => {
    const report = health.enter();
    report?.(outcome);
    return report !== undefined;
  };
  return { clock, changes, health, attempt };
}

describe("the breaker", () => {
  test.each([
    { name: "refused connections", outcome: ailing },
    { name: "lost answers", outcome: unknown },
  ])("opens after five $name in a row, not after four", ({ outcome }) => {
    const { health, attempt, changes } = clocked();
    for (let n = 0; n < 4; n++) attempt(outcome);
    expect(health.availability().limit).toBe(Number.POSITIVE_INFINITY);
    attempt(outcome);
    expect(health.availability().limit).toBe(0);
    expect(attempt(outcome)).toBe(false);
    expect(changes).toMatchObject([{ state: "open", code: (outcome as { code: string }).code }]);
  });

  test("an answer resets the count, and failures of a single message do not count", () => {
    const { health, attempt } = clocked();
    for (const between of [sent, no, busy]) {
      for (let n = 0; n < 4; n++) attempt(ailing);
      attempt(between);
    }
    for (let n = 0; n < 20; n++) attempt(busy);
    expect(health.state().state).toBe("ok");
  });

  test("lets one probe through at intervals that grow from 1 s to 30 s", () => {
    const { clock, health, attempt } = clocked();
    for (let n = 0; n < 5; n++) attempt(ailing);
    const gaps: number[] = [];
    for (let probes = 0; probes < 8; probes++) {
      const closedAt = clock.now;
      clock.now = health.availability().until as number;
      gaps.push(clock.now - closedAt);
      expect(attempt(ailing)).toBe(true);
    }
    expect(gaps).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("allows no other send while a probe is in progress", () => {
    const { clock, health, attempt } = clocked();
    for (let n = 0; n < 5; n++) attempt(ailing);
    clock.now += 1_000;
    expect(health.availability()).toEqual({ limit: 1 });
    const report = health.enter();
    expect(report).toBeDefined();
    expect(health.enter()).toBeUndefined();
    expect(health.availability().limit).toBe(0);
    report?.(sent);
    expect(health.availability().limit).toBe(Number.POSITIVE_INFINITY);
  });

  test("closes on an answer and restarts with short intervals", () => {
    const { clock, health, attempt, changes } = clocked();
    for (let n = 0; n < 5; n++) attempt(ailing);
    for (let n = 0; n < 3; n++) {
      clock.now = health.availability().until as number;
      attempt(ailing);
    }
    clock.now = health.availability().until as number;
    attempt(sent);
    expect(changes.map(({ state }) => state)).toEqual(["open", "ok"]);
    for (let n = 0; n < 5; n++) attempt(ailing);
    expect(health.availability().until).toBe(clock.now + 1_000);
  });

  test("sends in progress when it opened do not extend the pause, but a success among them closes it", () => {
    const { clock, health, attempt } = clocked();
    const underWay = Array.from({ length: 10 }, () => health.enter());
    for (let n = 0; n < 5; n++) attempt(ailing);
    for (const report of underWay.slice(0, 9)) report?.(unknown);
    expect(health.availability()).toEqual({ limit: 0, until: clock.now + 1_000 });
    underWay[9]?.(sent);
    expect(health.state().state).toBe("ok");
  });
});

test("a refusal of our configuration pauses the provider at once for a minute and shows since when", () => {
  const { clock, health, attempt, changes } = clocked();
  const began = clock.now;
  attempt(config);
  expect(health.state()).toEqual({
    state: "paused",
    code: "401",
    text: "Forbidden",
    remedy: "Check the key.",
    since: began,
    until: began + 60_000,
  });
  clock.now += 59_999;
  expect(attempt(sent)).toBe(false);
  clock.now += 1;
  attempt(config);
  expect(health.state()).toMatchObject({ since: began, until: clock.now + 60_000 });
  clock.now += 60_000;
  attempt(sent);
  expect(changes.map(({ state }) => state)).toEqual(["paused", "ok"]);
});

test("the state shows the provider's last answer without addresses", () => {
  const { health, attempt } = clocked();
  attempt({ ...config, text: "550 <ada.l@mail.example>: +15552223333 may not, see 5.7.1" });
  expect(health.state().text).toBe("550 <…@mail.example>: +155… may not, see 5.7.1");
});

test("a ten-minute outage with a full queue uses one attempt per probe, then everything is sent", async () => {
  const { clock, health, changes } = clocked();
  const begin = clock.now;
  const outageMs = 600_000;
  let asked = 0;
  const slot: ProviderSlot = {
    health,
    cost: () => 1,
    provider: {
      name: "twilio",
      channel: "sms",
      async send() {
        asked++;
        if (clock.now - begin < outageMs) throw new SendError(ailing as SendError["outcome"]);
        return { providerId: `SM${asked}` };
      },
      async close() {},
    },
  };
  const partners = {
    rules: channelOf("sms"),
    slots: [slot],
    render: () => ({ parts: { text: "Hello" }, settings: {}, typeName: "Text" }),
    resendUnknown: true,
    recipient: async () => ({ phone: "+15552223333" }),
    suppress: async () => {},
    decide: withoutRules(() => clock.now),
    deadlineMs: 60_000,
    now: () => clock.now,
    sleep: async () => {},
  };
  const policy = { delayMs: 10_000, factor: 1, maxRetries: 5, resendUnknown: true };
  let queue = Array.from({ length: 500 }, (_, index) => ({
    due: begin,
    delivery: {
      id: String(index),
      notification: "n",
      user: "u",
      channel: "sms",
      content: { key: "text", at: 0 },
      tries: 0,
      token: "t",
    } as HeldDelivery,
  }));
  const ended: string[] = [];

  for (; queue.length > 0 && clock.now - begin < 2 * outageMs; clock.now += 500) {
    // Claims as the worker does: as many as the channel can take, at most 16, longest waiting first.
    const limit = Math.min(channelAvailability(partners.slots, clock.now).limit, 16);
    const due = queue.filter((one) => one.due <= clock.now).sort((a, b) => a.due - b.due);
    due.splice(limit);
    const turns = await Promise.all(
      due.map(async (one) => ({ one, turn: await deliver(one.delivery, partners) })),
    );
    for (const { one, turn } of turns) {
      const settlement = settlementOf(one.delivery, turn, clock.now, policy, 0.5);
      one.delivery.tries = settlement.tries;
      one.due = settlement.due ?? Number.POSITIVE_INFINITY;
      if (settlement.state !== "pending") ended.push(settlement.state);
    }
    queue = queue.filter((one) => one.due < Number.POSITIVE_INFINITY);
  }

  expect(ended).toEqual(Array(500).fill("sent"));
  expect(changes.map(({ state }) => state)).toEqual(["open", "ok"]);
  // 16 were in progress when it began; then probes 1, 2, 4, 8 and 16 s apart, and every 30 s.
  const probes = 5 + Math.ceil((outageMs - 31_000) / 30_000);
  expect(asked - 500).toBeLessThanOrEqual(16 + probes);
  expect(asked - 500).toBeGreaterThan(16);
});
