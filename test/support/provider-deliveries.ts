import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { afterAll, expect } from "vitest";
import type { Recipient } from "../../src/model/channel.ts";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
import type { TestDatabase } from "./database.ts";
import { call } from "./http.ts";
import { eventually } from "./service.ts";

const mail = {
  email: {
    subject: "{{ data.title | default: key }}",
    text: "{{ data.text | default: key }}",
    html: "<html><body>{{ data.text | default: key }}</body></html>",
  },
};
const text = { sms: { text: "{{ data.text | default: 'Hello' }}" } };
const hook = { webhook: {} };

/** Types that go to one channel each; `careful_…` would rather not be sent twice. */
const types = {
  mail: { inbox: false, channels: mail },
  careful_mail: { inbox: false, channels: mail, on_timeout: "give_up" },
  text: { inbox: false, channels: text },
  careful_text: { inbox: false, channels: text, on_timeout: "give_up" },
  hook: { inbox: false, channels: hook },
  careful_hook: { inbox: false, channels: hook, on_timeout: "give_up" },
};

/** For `NOTIFICATION_TYPES_FILE`; removed at the test file's end. Call at the top of the file. */
export function typesFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "belfry-types-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "types.json");
  writeFileSync(file, JSON.stringify(types));
  return file;
}

/** A user with an address of its own, known before its first notification. */
export async function addUser({ db }: TestDatabase, address: Recipient): Promise<string> {
  const _id = new ObjectId();
  await db.collection("users").insertOne({ _id, ...address });
  return _id.toHexString();
}

/** Notifies a user and resolves once the delivery is as `until` wants it. */
export async function deliver(
  { db }: TestDatabase,
  url: string,
  user: string,
  key: keyof typeof types,
  until: (delivery: DeliveryDocument) => boolean = (one) =>
    one.state !== "pending" && one.state !== "sending",
  data?: object,
): Promise<DeliveryDocument> {
  const deliveries = deliveriesOf(db);
  const ofUser = { user: new ObjectId(user) };
  // Known by what was there before, not by a time: the service's clock is not the test's.
  const before = await deliveries.distinct("_id", ofUser);
  const answer = await call(url, "POST", "/create", { user_id: user, key, ...(data && { data }) });
  expect(answer.status).toBe(201);
  return eventually(async () => {
    const found = await deliveries.findOne({ ...ofUser, _id: { $nin: before } });
    return found && until(found) ? found : undefined;
  }, `${key} to be delivered`);
}
