import { type Db, ObjectId } from "mongodb";

export const deliveryCount = 100_000;

/** So that deliveries differ as they do in life: most arrived, some did not, for reasons. */
const ends = [
  { state: "sent" },
  { state: "delivered" },
  { state: "sent" },
  { state: "failed", reason: "exhausted" },
  { state: "delivered" },
  { state: "skipped", reason: "no_address" },
  { state: "sent" },
  { state: "uncertain", reason: "unanswered" },
] as const;
const ways = [
  { channel: "email", provider: "smtp", type: "new_login" },
  { channel: "sms", provider: "twilio", type: "code" },
  { channel: "email", provider: "mailgun", type: "order_shipped" },
  { channel: "webhook", provider: "webhook", type: "invoice_paid" },
] as const;

/** Ended, so that no worker takes them; a second apart, the newest now. */
export async function fillDeliveries(db: Db, count: number): Promise<void> {
  const now = Date.now();
  const deliveries = db.collection("deliveries");
  for (let from = 0; from < count; from += 10_000) {
    const some = Array.from({ length: Math.min(10_000, count - from) }, (_, index) => {
      const n = from + index;
      return delivery(n, new Date(now - (count - n) * 1_000));
    });
    await deliveries.insertMany(some, { ordered: false });
  }
}

function delivery(n: number, at: Date) {
  const way = ways[n % ways.length] as (typeof ways)[number];
  const end = ends[(n >> 2) % ends.length] as (typeof ends)[number];
  const tries = end.state === "skipped" ? 0 : end.state === "failed" ? 3 : 1;
  const outcome = end.state === "failed" ? "retry" : "sent";
  return {
    // Ids are in the order of their times, as those that the service makes.
    _id: ObjectId.createFromHexString(idAt(at, n)),
    notification: new ObjectId(),
    user: `user-${n % 5_000}`,
    type: way.type,
    channel: way.channel,
    content: { key: way.type, at: at.getTime() },
    due: at,
    tries,
    attempts: Array.from({ length: tries }, () => ({ at, provider: way.provider, outcome, ms: 20 })),
    createdAt: at,
    updatedAt: at,
    ...end,
  };
}

const idAt = (at: Date, n: number): string =>
  Math.floor(at.getTime() / 1000)
    .toString(16)
    .padStart(8, "0") + n.toString(16).padStart(16, "0");

const words =
  "The belfry is closed on Thursday from nine to eleven; please keep the stairs free while the rope is renewed.";

/** A user whose inbox has so many items, every third one read; the newest was a minute ago. */
export async function fillInbox(db: Db, user: string, count: number): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  const notifications = Array.from({ length: count }, (_, index) => ({
    id: new ObjectId().toHexString(),
    timestamp: now - (count - index) * 60,
    is_new: index % 3 !== 0,
    user_id: user,
    key: "new_message",
    title: `Message ${index + 1} of ${count}`,
    body: words.slice(0, 20 + ((index * 13) % (words.length - 20))),
    ...(index % 2 === 0 && { data: { url: `/messages/${index}` } }),
    rev: index + 1,
  }));
  await db
    .collection<{ _id: string }>("users")
    .replaceOne(
      { _id: user },
      { email: `${user}@belfry.invalid`, rev: count, notifications },
      { upsert: true },
    );
}

/** As many as the bell of such a user must say. */
export const unreadOf = (count: number): number => count - Math.ceil(count / 3);
