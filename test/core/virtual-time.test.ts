import { expect, test } from "vitest";
import { createVirtualTime } from "../../src/core/virtual-time.ts";
import type { Settlement } from "../../src/model/delivery.ts";

const start = Date.parse("2026-03-01T00:00:00Z");
const minute = 60_000;

/** Time that stands still at `start`, and deliveries that are due after so many minutes. */
function world(minutes: number[]) {
  const time = createVirtualTime(() => start);
  const due = minutes.map((one) => start + one * minute).sort((a, b) => a - b);
  const done: number[] = [];
  const drain = async () => {
    while (due[0] !== undefined && due[0] <= time.clock.now()) {
      due.shift();
      done.push(time.clock.now());
      time.onSettled(settlement("sent"));
    }
    return due[0];
  };
  return { time, done, move: (written: object) => time.move(written, { drain }) };
}
const settlement = (state: Settlement["state"]) =>
  ({
    delivery: { id: "d1", channel: "email", content: { key: "comment" } },
    state,
  }) as unknown as Settlement;

test("stops at each moment at which something is due, and at the target", async () => {
  const { time, done, move } = world([0, 5, 5, 90, 200]);
  expect(await move({ advance: "2h" })).toStrictEqual({
    now: "2026-03-01T02:00:00.000Z",
    steps: 2,
    jobs: 0,
    sent: 4,
    skipped: 0,
    failed: 0,
    held: 0,
    uncertain: 0,
    postponed: 0,
    next_due: "2026-03-01T03:20:00.000Z",
  });
  expect(done.map((at) => (at - start) / minute)).toEqual([0, 5, 5, 90]);
  expect(time.clock.now()).toBe(start + 120 * minute);
  expect(await move({ to: "2026-03-01T03:20:00Z" })).not.toHaveProperty("next_due");
  expect(done).toHaveLength(5);
});

test("two calls at once move the time one after the other", async () => {
  const { time, move } = world([30]);
  const [first, second] = await Promise.all([move({ advance: "1h" }), move({ advance: "1h" })]);
  expect([first.now, second.now]).toEqual(["2026-03-01T01:00:00.000Z", "2026-03-01T02:00:00.000Z"]);
  expect(time.clock.now()).toBe(start + 120 * minute);
});

test.each([
  [{}, "The body must have either `advance` or `to`."],
  [{ advance: "1h", to: "2026-04-01T00:00:00Z" }, "The body must have either `advance` or `to`."],
  [
    { advance: "soon" },
    "`advance` must be a number and s, m, h, d or w, such as 15m or 2d, and at most 366d.",
  ],
  [{ to: "2026-04-01T00:00:00" }, "`to` must be a time: ISO 8601 with its zone, or Unix milliseconds."],
  [
    { to: "2026-02-28T23:59:59Z" },
    "`to` must not be past: it is 2026-03-01T00:00:00.000Z, and time does not go back.",
  ],
  [{ to: "2106-02-08T00:00:00Z" }, "`to` must not lead beyond the year 2099."],
])("%j is refused, and the time stays", async (written, message) => {
  const { time, move } = world([]);
  await expect(move(written)).rejects.toMatchObject({ code: "invalid_request", message });
  expect(time.clock.now()).toBe(start);
});

test("gives up when a delivery is put off without an end, and names it", async () => {
  const time = createVirtualTime(() => start);
  const drain = async () => {
    time.onSettled(settlement("pending"));
    return time.clock.now() + 1_000;
  };
  await expect(time.move({ advance: "300d" }, { drain })).rejects.toMatchObject({
    code: "clock_stuck",
    message:
      "The clock stopped at 2026-03-01T02:46:39.000Z: delivery d1 (comment, email) was put off 10000 times.",
  });
  // It can be moved on from there.
  const idle = { drain: async () => undefined };
  expect(await time.move({ advance: "1h" }, idle)).toMatchObject({ now: "2026-03-01T03:46:39.000Z" });
});

test("gives up when nothing comes of what is due", async () => {
  const time = createVirtualTime(() => start);
  await expect(time.move({ advance: "1d" }, { drain: async () => start - 1 })).rejects.toMatchObject({
    code: "clock_stuck",
    message: "The clock stopped at 2026-03-01T00:00:00.000Z: deliveries are due that cannot be claimed.",
  });
});

test("runs with its base between two moves, and stands still during one", async () => {
  let real = start;
  const time = createVirtualTime(() => real);
  const seen: number[] = [];
  const drain = async () => {
    real += 500;
    seen.push(time.clock.now());
    return undefined;
  };
  await time.move({ advance: "1d" }, { drain });
  expect(seen).toEqual([start]);
  const day = start + 24 * 60 * minute;
  expect(time.clock.now()).toBe(day);
  real += 700;
  expect(time.clock.now()).toBe(day + 700);
});
