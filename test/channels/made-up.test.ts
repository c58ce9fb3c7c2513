import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { Type } from "typebox";
import { afterAll, beforeEach, expect, test } from "vitest";
import { channels } from "../../src/channels/index.ts";
import type { ChannelModule } from "../../src/channels/module.ts";
import type { Message, Recipient } from "../../src/model/channel.ts";
import { SendError } from "../../src/model/delivery.ts";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/http.ts";

type PagerMessage = Message & { to: string; text: string };

const sent: PagerMessage[] = [];
/** The next answers of each pager; after them it takes everything. */
const answers: Record<string, SendError[]> = {};

/** A channel that no part of the service knows: each user has a pager for the day and one for the night. */
const pager = {
  name: "pager",
  label: "Pager",
  schema: Type.Object({ text: Type.Optional(Type.String()) }, { additionalProperties: false }),
  templates: { text: { default: "{{ title | default: type_name }}" } },
  addresses: ({ email, phone }: Recipient) => [
    ...(email ? [{ address: email, target: "day" }] : []),
    ...(phone ? [{ address: phone, target: "night" }] : []),
  ],
  message: ({ parts: { text = "" } }, _delivery, to) => ({ to, text }),
  shown: ({ text }: PagerMessage) => ({ text }),
  plain: (address: string) => address,
  variables: {},
  providers: [
    {
      name: "beeper",
      variables: {},
      open: () => ({
        name: "beeper",
        channel: "pager",
        async send(message: PagerMessage) {
          sent.push(message);
          const answer = answers[message.to]?.shift();
          if (answer) throw answer;
          return { providerId: `beep-${sent.length}` };
        },
        async close() {},
      }),
    },
  ],
} satisfies ChannelModule;

// Before the service is imported, as an entry of the list would be there.
channels.push(pager);
const { startService } = await import("../support/service.ts");

const database = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-pager-"));
afterAll(() => rmSync(folder, { recursive: true }));
const NOTIFICATION_TYPES_FILE = join(folder, "types.json");
writeFileSync(
  NOTIFICATION_TYPES_FILE,
  JSON.stringify({ alarm: { inbox: false, channels: { pager: { text: "!! {{ title }}" } } } }),
);

const day = "day@pagers.example";
const night = "+12025550123";
const later = () => new SendError({ kind: "retry", code: "BUSY", text: "busy" });
const never = () => new SendError({ kind: "rejected", reason: "policy", code: "NO", text: "no" });

beforeEach(() => {
  sent.length = 0;
});

/** One alarm to a user with both pagers; resolves with its delivery when it has ended. */
async function alarm(variables: Record<string, string> = {}) {
  const { url, close } = await startService({
    DB_URI: database.uri,
    NOTIFICATION_TYPES_FILE,
    RETRY_DELAY_MS: "50",
    RETRY_FACTOR: "1",
    ...variables,
  });
  const _id = new ObjectId();
  await database.db.collection("users").insertOne({ _id, email: day, phone: night });
  const user = _id.toHexString();
  const { status } = await call(url, "POST", "/v1/notifications", {
    recipients: [user],
    type: "alarm",
    title: "Fire",
  });
  expect(status).toBe(201);
  const delivery = await eventually(
    async () =>
      (await deliveriesOf(database.db).findOne({ user: _id, state: { $nin: ["pending", "sending"] } })) ??
      undefined,
    "the delivery ends",
  );
  const to = (address: string) => sent.filter((one) => one.to === address);
  return { url, user, delivery, to, close };
}

test("both addresses of a user get one delivery's message", async () => {
  const { url, delivery, to } = await alarm();
  expect(delivery).toMatchObject({ channel: "pager", state: "sent", tries: 1 });
  const id = delivery._id.toHexString();
  expect(to(day)).toMatchObject([{ id, target: "day", text: "!! Fire" }]);
  expect(to(night)).toMatchObject([{ id, target: "night", text: "!! Fire" }]);
  const { body: shown } = await call(url, "GET", `/v1/deliveries/${id}`);
  const outcomes = shown.attempts.map(
    (one: { target: string; outcome: string }) => `${one.target} ${one.outcome}`,
  );
  expect(outcomes.sort()).toEqual(["day sent", "night sent"]);
});

test("an address that fails for a while is retried alone", async () => {
  answers[night] = [later(), later()];
  const { delivery, to } = await alarm();
  expect(delivery).toMatchObject({ state: "sent", tries: 3 });
  expect(to(day)).toHaveLength(1);
  expect(to(night)).toHaveLength(3);
});

test("a delivery that one address took is sent, whatever becomes of the other", async () => {
  answers[day] = [never()];
  const refused = await alarm();
  expect(refused.delivery).toMatchObject({ state: "sent", tries: 1 });
  await refused.close();
  answers[night] = [later(), later(), later(), later()];
  const exhausted = await alarm({ MAX_RETRIES: "2" });
  expect(exhausted.delivery).toMatchObject({ state: "sent", tries: 3 });
  expect(exhausted.delivery).not.toHaveProperty("reason");
  answers[night] = [];
});

test("a delivery that every address refuses is failed; a resend asks every address again", async () => {
  answers[day] = [never()];
  answers[night] = [never()];
  const { url, delivery, to } = await alarm();
  expect(delivery).toMatchObject({ state: "failed", reason: "policy" });
  const id = delivery._id.toHexString();
  expect((await call(url, "POST", `/v1/deliveries/${id}/retry`, {})).status).toBeLessThan(300);
  await eventually(
    async () => (await deliveriesOf(database.db).findOne({ _id: delivery._id }))?.state === "sent",
    "the delivery is sent",
  );
  expect([to(day).length, to(night).length]).toEqual([2, 2]);
});

test("types, filters, ledger, health and documents know the channel from the list", async () => {
  const { url, user } = await alarm();
  const { body: types } = await call(url, "GET", "/v1/types");
  expect(types.data.find((one: { key: string }) => one.key === "alarm").channels).toEqual(["pager"]);
  const { body: found } = await call(url, "GET", `/v1/deliveries?channel=pager&user_id=${user}`);
  expect(found.data).toHaveLength(1);
  const { body: ledger } = await call(url, "GET", "/v1/ledger");
  expect(ledger.channels.pager).toMatchObject({ balanced: true });
  expect(ledger.channels.pager.accepted).toBeGreaterThan(0);
  const { body: ready } = await call(url, "GET", "/readyz?verbose");
  expect(ready.providers.pager.beeper).toMatchObject({ state: "ok" });
  const { body: openapi } = await call(url, "GET", "/openapi.json");
  expect(JSON.stringify(openapi)).toContain('"enum":["email","sms","webhook","pager"]');
});
