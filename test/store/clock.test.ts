import { expect, test } from "vitest";
import { createServerClock } from "../../src/store/clock.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();

/** A service's clock on a machine whose own clock is off by `skew` ms. */
function clockWrongBy(skew: number) {
  let real = 0;
  let late = 0;
  const clock = createServerClock(db, () => {
    real = Date.now();
    return real + skew + late;
  });
  return {
    /** The remaining error, in ms. */
    error: () => clock.now() - real,
    /** Syncs with an answer that is delayed by `ms`. Resolves with the round trip's duration without the delay. */
    async sync(ms = 0): Promise<number> {
      const before = Date.now();
      const done = clock.sync();
      late = ms;
      await done;
      late = 0;
      return Date.now() - before;
    },
  };
}

test.each([0, -3_600_000, 3_600_000, 12_345])(
  "corrects a local clock that is %i ms off to within a round trip",
  async (skew) => {
    const clock = clockWrongBy(skew);
    const took = await clock.sync();
    expect(Math.abs(clock.error())).toBeLessThanOrEqual(took);
  },
);

test("slow answers do not make the time jump", async () => {
  const clock = clockWrongBy(60_000);
  const took = await clock.sync();
  for (const ms of [10_000, 2_000, 30_000]) {
    await clock.sync(ms);
    expect(Math.abs(clock.error())).toBeLessThanOrEqual(took);
  }
});
