import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { Type } from "typebox";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { channels } from "../../src/channels/index.ts";
import type { ChannelModule } from "../../src/channels/module.ts";
import type { Message, Recipient } from "../../src/model/channel.ts";
import { SendError } from "../../src/model/delivery.ts";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
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
const types = {
  alarm: { inbox: false, channels: { pager: { text: "!! {{ title }}" } } },
  careful_alarm: { inbox: false, channels: { pager: {} }, on_timeout: "give_up" },
};
writeFileSync(NOTIFICATION_TYPES_FILE, JSON.stringify(types));

const day = "day@pagers.example";
const night = "+12025550123";
const later = () => new SendError({ kind: "retry", code: "BUSY", text: "busy" });
const never = () => new SendError({ kind: "rejected", reason: "policy", code: "NO", text: "no" });
const nobody = () => new SendError({ kind: "rejected", reason: "address", code: "GONE", text: "no pager" });
const silence = () => new SendError({ kind: "unknown", code: "TIMEOUT", text: "no answer" });

beforeEach(() => {
  sent.length = 0;
  for (const address of Object.keys(answers)) delete answers[address];
});

/** One alarm to a user with both pagers; resolves with its delivery when it has ended. */
async function alarm(variables: Record<string, string> = {}, type: keyof typeof types = "alarm") {
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
  const notify = async () => {
    const body = { recipients: [user], type, title: "Fire" };
    const answer = await call(url, "POST", "/v1/notifications", body);
    expect(answer.status).toBe(201);
    const notification = new ObjectId(answer.body.notifications[0].id as string);
    const ended = { notification, state: { $nin: ["pending" as const, "sending" as const] } };
    return eventually(
      async () => (await deliveriesOf(database.db).findOne(ended)) ?? undefined,
      "the delivery ends",
    );
  };
  const to = (address: string) => sent.filter((one) => one.to === address);
  return { url, user, delivery: await notify(), notify, to, close };
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

describe("with on_timeout give_up", () => {
  const careful = () => alarm({}, "careful_alarm");
  /** Its attempts as the service shows them, by address. */
  const outcomes = ({ attempts }: DeliveryDocument) =>
    attempts.map(({ target, outcome }) => `${target} ${outcome}`).sort();

  test("an address that did not answer is not asked again, and the other is retried until it takes the message", async () => {
    answers[day] = [silence()];
    answers[night] = [later(), later()];
    const { delivery, to } = await careful();
    expect(outcomes(delivery)).toEqual(["day unknown", "night retry", "night retry", "night sent"]);
    expect(delivery).toMatchObject({ state: "sent", tries: 3 });
    expect([to(day).length, to(night).length]).toEqual([1, 3]);
  });

  test("a delivery that one address took is sent, although the other did not answer", async () => {
    answers[day] = [silence()];
    const { delivery } = await careful();
    expect(outcomes(delivery)).toEqual(["day unknown", "night sent"]);
    expect(delivery).toMatchObject({ state: "sent", tries: 1 });
    expect(delivery).not.toHaveProperty("reason");
  });

  test.each([
    ["neither address answered", silence],
    ["one address did not answer and the other refused it", never],
  ])("a delivery is uncertain when %s", async (_what, answer) => {
    answers[day] = [silence()];
    answers[night] = [answer()];
    const { delivery, to } = await careful();
    expect(delivery).toMatchObject({ state: "uncertain", reason: "unanswered", tries: 1 });
    expect([to(day).length, to(night).length]).toEqual([1, 1]);
  });
});

describe("a suppressed address beside another", () => {
  test("is left out, and the other gets each message", async () => {
    answers[night] = [nobody()];
    const { delivery, notify, to } = await alarm();
    expect(delivery).toMatchObject({ state: "sent" });
    expect(await notify()).toMatchObject({ state: "sent", attempts: [{ target: "day", outcome: "sent" }] });
    expect([to(day).length, to(night).length]).toEqual([2, 1]);
  });

  test("does not make a delivery sent that the other refuses", async () => {
    answers[night] = [nobody()];
    const { notify, to } = await alarm();
    answers[day] = [later(), never()];
    expect(await notify()).toMatchObject({ state: "failed", reason: "policy", tries: 2 });
    expect(to(night)).toHaveLength(1);
  });

  test("is asked again once its suppression is removed", async () => {
    answers[night] = [nobody()];
    const { url, user, notify, to } = await alarm();
    expect((await call(url, "DELETE", `/v1/suppressions/${user}/pager`)).status).toBe(204);
    expect(await notify()).toMatchObject({ state: "sent" });
    expect([to(day).length, to(night).length]).toEqual([2, 2]);
  });
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
