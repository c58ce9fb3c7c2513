import type { Document } from "mongodb";
import { expect, test } from "vitest";
import { channelOf } from "../../src/channels/index.ts";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import type { Counterpart } from "../support/provider-counterpart.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { eventually, startService } from "../support/service.ts";
import { providerSuite } from "./shared.ts";

const database = freshDatabase();
const { db } = database;
const NOTIFICATION_TYPES_FILE = typesFile();

/** The collection; MongoDB takes what fits its validator. */
async function startCollection(channel: "email" | "sms"): Promise<Counterpart> {
  const captured = db.collection("captured");
  await captured.drop();
  const profile = { email: "canary@receiver.example", phone: "+15552223333" };
  const broken = { email: `${profile.email}\r\nBcc: eve@evil.example`, phone: `${profile.phone}\r\nTo: +1` };
  const validators: Record<string, Document> = { take: {}, later: { never: true } };
  return {
    variables: {},
    secrets: [],
    profile,
    broken: { profile: broken, arrivesAs: channelOf(channel).addresses(broken)[0]?.address as string },
    answer: (verdict) => db.command({ collMod: "captured", validator: validators[verdict] }),
    async received() {
      const found = await captured.find().toArray();
      return found.map((one) => ({
        to: [one.to],
        id: one._id.toHexString(),
        title: one.subject,
        text: one.text,
        html: one.html,
        fields: Object.keys(one),
      }));
    },
  };
}

for (const channel of ["email", "sms"] as const)
  providerSuite(database, {
    name: "capture",
    channel,
    start: () => startCollection(channel),
    cannot: {
      refuse: "what MongoDB does not take today it may take tomorrow",
      doubt: "stored twice under one id is stored once, so it is asked again",
      credentials: "it has none of its own",
      connections: "it writes through the service's",
      offers: "the collection has what it took",
    },
  });

test("a captured message whose outcome was lost is sent again and appears once", async () => {
  const { variables, profile, received } = await startCollection("email");
  const deliveries = deliveriesOf(db);
  const { url } = await startService({ DB_URI: database.uri, NOTIFICATION_TYPES_FILE, ...variables });
  const { _id } = await deliver(database, url, await addUser(database, profile), "mail");
  await deliveries.updateOne({ _id }, { $set: { state: "pending", due: new Date() } });
  const again = await eventually(
    async () =>
      (await deliveries.findOne({ _id, state: "sent", "attempts.1": { $exists: true } })) ?? undefined,
    "it is sent again",
  );
  expect(again.attempts).toMatchObject([{ outcome: "sent" }, { outcome: "sent" }]);
  expect(await received()).toHaveLength(1);
});
