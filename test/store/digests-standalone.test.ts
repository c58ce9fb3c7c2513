import { ObjectId } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import type { HeldDelivery } from "../../src/model/delivery.ts";
import { createClaims } from "../../src/store/claims.ts";
import { appName, connect } from "../../src/store/connect.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { createDigestStore } from "../../src/store/digests.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createTally } from "../../src/store/tally.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

test("without transactions, a delivery that joins a digest while that is claimed is pending again", async () => {
  const { uri, client, db } = await ownDatabase();
  const connection = await connect(uri);
  onTestFinished(() => connection.client.close());
  await prepareCollections(db);
  const deliveries = deliveriesOf(db);
  const store = createDigestStore({
    client: connection.client,
    db: connection.db,
    transactions: false,
    now: Date.now,
    storedAt: Date.now,
    newId,
    retentionDays: 90,
    tally: createTally(newId(), 90),
  });
  const token = newId();
  const made: HeldDelivery[] = [newId(), newId()].map((id) => ({
    id,
    notification: id,
    user: "alex",
    channel: "email",
    content: { key: "comment", at: 0 },
    tries: 0,
    token,
  }));
  const lease = { token, until: Date.now() + 60_000 };
  await deliveries.insertMany(made.map((one) => newDelivery(one, one, new Date(), lease)));
  const [one, two] = made as [HeldDelivery, HeldDelivery];
  const joining = (delivery: HeldDelivery) => ({
    delivery,
    hold: { scope: "types.comment", due: Date.now() },
    decision: { at: Date.now(), verdict: "hold" as const, rule: "digest" },
  });
  await store.join([joining(one)]);

  // Between counting the delivery in the digest and moving it there.
  const stop = await failCommands(
    client,
    { times: 1 },
    {
      failCommands: ["find"],
      blockConnection: true,
      blockTimeMS: 4_000,
      appName,
    },
  );
  const joined = store.join([joining(two)]);
  await eventually(
    async () => (await deliveries.findOne({ digest: { $exists: true } }))?.digest?.count === 2,
    "the digest has counted it",
  );
  const [digest] = await createClaims(db, "email", { retentionDays: 90, routed: false }).claim(
    1,
    { ...lease, token: newId() },
    Date.now(),
  );
  expect(digest?.digest).toMatchObject({ scope: "types.comment" });
  await joined;
  await stop();
  const late = await deliveries.findOne({ _id: new ObjectId(two.id) });
  expect(late).toMatchObject({ state: "pending" });
  expect(late).not.toHaveProperty("into");
});
