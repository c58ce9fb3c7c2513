import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { expect } from "vitest";
import type { DeliveryDocument } from "../../src/store/deliveries.ts";
import type { TestDatabase } from "./database.ts";
import { call } from "./http.ts";
import { eventually } from "./service.ts";

/** Types that go to one channel each; `careful_…` would rather not be sent twice. */
const types = {
  text: { inbox: false, channels: { sms: { text: "{{ data.text | default: 'Hello' }}" } } },
  careful_text: { inbox: false, channels: { sms: { text: "Hello" } }, unanswered: "rather_not" },
  mail: { inbox: false, channels: { email: {} } },
  careful_mail: { inbox: false, channels: { email: {} }, unanswered: "rather_not" },
};

/** For `NOTIFICATION_TYPES_FILE`. */
export function typesFile(): string {
  const file = join(mkdtempSync(join(tmpdir(), "belfry-types-")), "types.json");
  writeFileSync(file, JSON.stringify(types));
  return file;
}

/** A user with an address of its own, known before its first notification. */
export async function addUser(
  { db }: TestDatabase,
  address: { email?: string; phone?: string },
): Promise<string> {
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
  const before = new ObjectId();
  const answer = await call(url, "POST", "/create", { user_id: user, key, ...(data && { data }) });
  expect(answer.status).toBe(201);
  return eventually(async () => {
    const found = await db
      .collection<DeliveryDocument>("deliveries")
      .findOne(
        { user: new ObjectId(user), createdAt: { $gte: before.getTimestamp() } },
        { sort: { _id: -1 } },
      );
    return found && until(found) ? found : undefined;
  }, `${key} to be delivered`);
}
