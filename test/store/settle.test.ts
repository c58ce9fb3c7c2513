import fc from "fast-check";
import { ObjectId } from "mongodb";
import { beforeAll, expect, test } from "vitest";
import type { Attempt, Settlement } from "../../src/model/delivery.ts";
import { type DeliveryDocument, deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createSettler } from "../../src/store/settle.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const deliveries = deliveriesOf(db);
/** In 2099: MongoDB's own clock deletes what has expired, once a minute. */
const now = 4_100_000_000_000;
const kept = new Date(now + 1_000);
const until = now + 60_000;
beforeAll(async () => void (await prepareCollections(db)));

/** Events while a delivery was being sent. */
const before = ["nothing", "called back", "recalled", "taken by another", "foreign history"] as const;
type Before = (typeof before)[number];

const attempt: fc.Arbitrary<Attempt> = fc.record({
  at: fc.integer({ min: now - 5_000, max: now }),
  provider: fc.constantFrom("smtp", "$state"),
  outcome: fc.constantFrom("sent", "retry", "unknown"),
  ms: fc.nat(500),
  text: fc.constantFrom("250 ok", "$$ROOT", "$detail"),
});
const outcome = fc.record(
  {
    state: fc.constantFrom("sent", "pending", "failed", "skipped"),
    tries: fc.nat(5),
    attempts: fc.array(attempt, { maxLength: 3 }),
    due: fc.integer({ min: now, max: now + 5_000 }),
    reason: fc.constantFrom("exhausted", "template"),
    detail: fc.constantFrom("$tries", "no such variable"),
    providerId: fc.constantFrom("abc", "$_id"),
    decision: fc.constant({ at: now, verdict: "later" as const, rule: "quiet" as never, until }),
  },
  { requiredKeys: ["state", "tries", "attempts", "due"] },
);

function documentOf(token: string, what: Before, earlier: number): DeliveryDocument {
  const planned = { id: newId(), channel: "email", content: { key: "new_login", at: now } } as const;
  const user = newId();
  const document = newDelivery(planned, { notification: newId(), user }, new Date(now - 9_000), {
    token,
    until,
  });
  document.attempts = Array.from({ length: earlier }, (_, ms) => ({
    at: new Date(now - 8_000),
    provider: "smtp",
    outcome: "retry",
    ms,
  }));
  if (what === "called back") document.state = "delivered";
  if (what === "recalled") document.recalledAt = new Date(now - 1);
  if (what === "taken by another") document.lease = { token: new ObjectId(), until: new Date(until) };
  if (what === "foreign history") Object.assign(document, { attempts: "none", decisions: "none" });
  return document;
}

/** The document afterwards, as the states in `model/delivery.ts` ask for it. */
function afterwards(document: DeliveryDocument, what: Before, one: Settlement): DeliveryDocument {
  if (what === "taken by another") return document;
  const { lease: _, ...rest } = document;
  const earlier = what === "foreign history" ? [] : document.attempts;
  const attempts = [...earlier, ...one.attempts.map((each) => ({ ...each, at: new Date(each.at) }))].slice(
    -200,
  );
  const decision = one.decision && { ...one.decision, at: new Date(now), until: new Date(until) };
  const history = {
    ...rest,
    attempts,
    tries: one.tries,
    ...(one.providerId && { providerId: one.providerId }),
    ...(decision && { decisions: [decision] }),
  };
  if (what === "called back") return history;
  const waits = one.state === "pending";
  const isRecalled = waits && what === "recalled";
  return {
    ...history,
    state: isRecalled ? "recalled" : one.state,
    updatedAt: new Date(now),
    ...(waits && { due: new Date(one.due as number) }),
    ...((!waits || isRecalled) && { expireAt: kept }),
    ...(one.reason && { reason: one.reason }),
    ...(one.detail && { detail: one.detail }),
  };
}

test.each([
  ["in one statement", false],
  ["with a statement for each", true],
])("a batch of outcomes stored %s changes each delivery by its own outcome alone", async (_, routed) => {
  const settle = createSettler(db, { routed, expireAt: () => kept });
  const cases = fc.array(fc.tuple(fc.constantFrom(...before), outcome, fc.constantFrom(0, 1, 199)), {
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(cases, async (all) => {
      // Two claims, whose deliveries end in one batch.
      const tokens = [newId(), newId()];
      const prepared = all.map(([what, outcome, earlier], at) => {
        const token = tokens[at % 2] as string;
        const document = documentOf(token, what, earlier);
        const [id, user] = [document._id.toHexString(), String(document.user)];
        const delivery = {
          id,
          user,
          token,
          notification: id,
          channel: "email",
          content: document.content,
          tries: 0,
        };
        return { what, document, settlement: { ...outcome, delivery } as Settlement };
      });
      await deliveries.insertMany(prepared.map((one) => one.document));
      const batch = prepared.map((one) => one.settlement);
      const taken = prepared.filter(({ what }) => what === "taken by another").length;
      expect(await settle(batch, now)).toEqual({ lost: taken });
      const stored = async () => {
        const found = deliveries.find({ _id: { $in: prepared.map((one) => one.document._id) } });
        // The shards of a cluster answer in any order.
        const byId = new Map((await found.toArray()).map((one) => [one._id.toHexString(), one]));
        return prepared.map(({ document }) => byId.get(document._id.toHexString()));
      };
      const expected = prepared.map(({ what, document, settlement }) =>
        afterwards(document, what, settlement),
      );
      expect(await stored()).toEqual(expected);
      // Its answer was lost, and it is repeated.
      expect(await settle(batch, now + 1)).toEqual({ lost: batch.length });
      expect(await stored()).toEqual(expected);
    }),
    { numRuns: 40 },
  );
});

test("an outcome of a lost lease changes nothing when the same worker has the delivery again", async () => {
  const settle = createSettler(db, { routed: false, expireAt: () => kept });
  const [earlier, present] = [newId(), newId()];
  const document = documentOf(present, "nothing", 0);
  const other = documentOf(present, "nothing", 0);
  await deliveries.insertMany([document, other]);
  const settled = ({ _id, user, content }: DeliveryDocument, token: string, tries: number): Settlement => {
    const id = _id.toHexString();
    const delivery = {
      id,
      user: String(user),
      token,
      notification: id,
      channel: "email" as const,
      content,
      tries,
    };
    return { delivery, state: "sent", tries, attempts: [] };
  };
  const late = settled(document, earlier, 7);
  // The batch has both its id and its present token, but in two outcomes.
  expect(await settle([late, settled(other, present, 1)], now)).toEqual({ lost: 1 });
  expect(await deliveries.findOne({ _id: document._id })).toEqual(document);
  expect(await settle([late, settled(document, present, 2)], now)).toEqual({ lost: 1 });
  expect(await deliveries.findOne({ _id: document._id })).toMatchObject({ state: "sent", tries: 2 });
});
