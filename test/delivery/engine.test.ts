import { ObjectId } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { newId } from "../../src/store/ids.ts";
import { failCommands, freshDatabase } from "../support/database.ts";
import { addUser } from "../support/provider-deliveries.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";

const database = freshDatabase();

test("tries one of several claimed mails to a bad address and skips the rest", async () => {
  let asked = 0;
  const sink = await startSmtp({
    onRecipient() {
      asked++;
      return { code: 550, text: "5.1.1 nobody here" };
    },
  });
  onTestFinished(() => sink.close());
  const deliveries = deliveriesOf(database.db);
  const user = await addUser(database, { email: "nobody@users.example" });
  const waiting = Array.from({ length: 4 }, () => {
    const content = { key: "new_login", at: Date.now(), targetId: "0".repeat(24) };
    const planned = { id: newId(), channel: "email" as const, content };
    return newDelivery(planned, { notification: newId(), user }, new Date(), undefined);
  });
  await deliveries.insertMany(waiting);

  await startService({ DB_URI: database.uri, DELIVERY_CONCURRENCY: "1", ...sink.variables });

  const ended = await eventually(async () => {
    const found = await deliveries.find({ user: new ObjectId(user), lease: { $exists: false } }).toArray();
    return found.filter((one) => one.state !== "pending").length === waiting.length && found;
  }, "each has its outcome");
  expect(ended.map((one) => one.reason).sort()).toEqual([
    "address",
    "suppressed",
    "suppressed",
    "suppressed",
  ]);
  expect(asked).toBe(1);
});

const lostAnswers: Array<[string, object]> = [
  ["a connection closed before the update", { closeConnection: true }],
  ["a primary stepping down", { errorCode: 189 }],
  [
    "an update that is applied but not confirmed",
    { writeConcernError: { code: 64, errmsg: "waiting for replication" } },
  ],
];
test.each(lostAnswers)(
  "an outcome is stored once after %s, and the mail is sent once",
  async (_name, data) => {
    const sink = await startSmtp({});
    onTestFinished(() => sink.close());
    const { url } = await startService({ DB_URI: database.uri, ...sink.variables });
    const user = await addUser(database, { email: "someone@users.example" });
    const namespace = deliveriesOf(database.db).namespace;
    const restore = await failCommands(
      database.client,
      { times: 2 },
      { failCommands: ["update"], namespace, ...data },
    );
    onTestFinished(restore);

    const created = await fetch(`${url}/v1/notifications`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "new_login", recipients: [user] }),
    });
    expect(created.status).toBe(201);

    const sent = { user: new ObjectId(user), state: "sent" as const };
    const stored = await eventually(
      async () => (await deliveriesOf(database.db).findOne(sent)) ?? undefined,
      "the outcome is stored",
    );
    expect(stored).toMatchObject({ tries: 1, attempts: [{ outcome: "sent" }] });
    expect(stored.lease).toBeUndefined();
    expect(sink.mails).toHaveLength(1);
    const injected = { configureFailPoint: "failCommand", mode: "off" };
    expect((await database.client.db("admin").command(injected)).count).toBeGreaterThan(0);
  },
);
