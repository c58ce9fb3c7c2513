import { MongoClient, ObjectId } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { createRecallStore } from "../../src/store/recall.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const { uri, client, db } = await ownDatabase();
const appName = "recalling";
const own = new MongoClient(uri, { appName });
const now = Date.now();

test("a recall also stops a notification that is accepted under its key between its two statements", async () => {
  onTestFinished(() => own.close());
  const deliveries = deliveriesOf(db);
  const accept = async () => {
    const id = new ObjectId().toHexString();
    const planned = { id, channel: "email", content: { key: "new_login", at: now }, key: "order" } as const;
    const notification = { notification: id, user: "alex" };
    await deliveries.insertOne(newDelivery(planned, notification, new Date(now), undefined));
  };
  const { recall } = createRecallStore({
    db: own.db(db.databaseName),
    remove: async () => undefined,
    inboxLimit: 100,
    retentionDays: 90,
    now: () => now,
  });
  await accept();
  const data = { failCommands: ["find"], blockConnection: true, blockTimeMS: 2_000, appName };
  const end = await failCommands(client, { times: 1 }, data);
  onTestFinished(end);
  const receipts = recall(["alex"], { key: "order" });
  await eventually(() => deliveries.findOne({ state: "recalled" }), "the first statement");
  await accept();
  expect((await receipts).map(({ result }) => result)).toEqual(["stopped", "stopped"]);
  expect(await deliveries.distinct("state")).toEqual(["recalled"]);
});
