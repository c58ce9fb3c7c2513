import { ObjectId } from "mongodb";
import { beforeEach, expect, test } from "vitest";
import { createClaims } from "../../src/store/claims.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const deliveries = deliveriesOf(db);
const books = createClaims(db, "email", { retentionDays: 90, routed: false });
const now = Date.now();
const leaseMs = 1_000;
let id: string;
let moment = now;

beforeEach(async () => {
  await deliveries.deleteMany({});
  moment = now;
  id = new ObjectId().toHexString();
  const planned = { id, channel: "email", content: { key: "new_login", at: now } } as const;
  await deliveries.insertOne(
    newDelivery(planned, { notification: id, user: "alex" }, new Date(now), undefined),
  );
});

/** A worker claims it, begins the send as given, and ends. */
async function takenAndLost(begun?: "once" | "again"): Promise<{ interruptions?: number | undefined }> {
  const lease = { token: new ObjectId().toHexString(), until: moment + leaseMs };
  const [held] = await books.claim(1, lease, moment);
  if (!held) throw new Error("nothing to take");
  if (begun) expect(await books.begin(held, begun)).toBe(true);
  moment += 2 * leaseMs;
  expect(await books.sweep(moment)).toBe(1);
  return held;
}
const stored = () => deliveries.findOne({ _id: new ObjectId(id) });

test("sends deliveries that waited in workers that died, however often that happened", async () => {
  for (let n = 0; n < 10; n++) {
    expect((await takenAndLost()).interruptions).toBe(n === 0 ? undefined : 1);
    expect(await stored()).toMatchObject({ state: "pending", interruptions: 1 });
  }
  // The wait does not count against it later either.
  await takenAndLost("again");
  expect(await stored()).toMatchObject({ state: "pending", interruptions: 2 });
});

test("fails a delivery that ends its worker at each send the third time, and expires it", async () => {
  await takenAndLost();
  await takenAndLost("again");
  expect(await stored()).toMatchObject({ state: "pending" });
  await takenAndLost("again");
  expect(await stored()).toMatchObject({
    state: "failed",
    reason: "poison",
    interruptions: 3,
    expireAt: expect.any(Date),
  });
  expect(await stored()).not.toHaveProperty("lease");
});

test("a delivery that must not be repeated is uncertain after an interrupted send", async () => {
  await takenAndLost("once");
  expect(await stored()).toMatchObject({ state: "uncertain", reason: "unanswered" });
});

test("a send cannot begin once a callback has settled the delivery", async () => {
  const lease = { token: new ObjectId().toHexString(), until: now + leaseMs };
  const [held] = await books.claim(1, lease, now);
  await deliveries.updateOne({ _id: new ObjectId(id) }, { $set: { state: "delivered" } });
  expect(held && (await books.begin(held, "once"))).toBe(false);
});
