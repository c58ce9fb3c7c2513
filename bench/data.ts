import { type Db, ObjectId } from "mongodb";

/** Both sides choose at random among the same users. `load.lua` makes the same ids. */
export const userCount = 10_000;
export const userId = (index: number) => `64b000000000000000${index.toString(16).padStart(6, "0")}`;
export const randomUser = () => userId(Math.floor(Math.random() * userCount));
export const targetId = "64c000000000000000000000";

/** An item as Belfry stores it for the request that `load.lua` sends. */
export const newItem = (user: string, key: string, rev: number) => ({
  id: new ObjectId().toHexString(),
  timestamp: Math.floor(Date.now() / 1000),
  is_new: true,
  user_id: user,
  key,
  target_id: targetId,
  rev,
});

/** A delivery document as Belfry stores it when another process is to send it. */
export function newDelivery(user: string, notification: string, due?: Date) {
  const at = new Date();
  return {
    _id: new ObjectId(),
    notification: new ObjectId(notification),
    user: new ObjectId(user),
    type: "new_login",
    channel: "email",
    content: { key: "new_login", at: at.getTime(), targetId },
    state: "pending",
    due: due ?? at,
    tries: 0,
    attempts: [],
    createdAt: at,
    updatedAt: at,
  };
}

const mailText = "New login\n\nManage your e-mails: https://belfry.invalid/p/0123456789\n";
const mailHtml = `<!doctype html><html><body><h1>New login</h1>${"<p>Your account</p>".repeat(40)}</body></html>`;

/** A captured mail of about the size that Belfry stores for the type `new_login`. */
export const newMail = (delivery: ObjectId, user: ObjectId, to: string) => ({
  _id: delivery,
  user_id: user.toHexString(),
  channel: "email",
  at: new Date(),
  from: "Sender <sender@belfry.invalid>",
  to,
  subject: "New login to your account",
  text: mailText,
  html: mailHtml,
});

export function inboxDocument(user: string, size: number) {
  return {
    _id: new ObjectId(user),
    email: "someone@belfry.invalid",
    rev: size,
    notifications: Array.from({ length: size }, (_, index) => newItem(user, "new_message", index + 1)),
  };
}

/** Every user anew with `size` items, and no deliveries: the state that each measurement starts from. */
export async function fill(db: Db, size: number, users = userCount): Promise<void> {
  await empty(db, "users");
  await empty(db, "deliveries");
  for (let from = 0; from < users; from += 1000) {
    const ids = Array.from({ length: Math.min(1000, users - from) }, (_, index) => userId(from + index));
    await db.collection("users").insertMany(ids.map((id) => inboxDocument(id, size)) as never[]);
  }
}

/** Whether a mail is still to be sent. One query for both states would read the whole collection each time. */
export async function someOpen(db: Db): Promise<boolean> {
  for (const state of ["pending", "sending"])
    if (await db.collection("deliveries").findOne({ channel: "email", state }, { projection: { _id: 1 } }))
      return true;
  return false;
}

/** Far quicker than `deleteMany`, and leaves the oplog alone; its indexes are made again. */
export async function empty(db: Db, name: string): Promise<void> {
  const indexes = await db
    .collection(name)
    .indexes()
    .catch(() => []);
  await db.dropCollection(name);
  await db.createCollection(name);
  for (const { key, v: _, ...options } of indexes.filter((one) => one.name !== "_id_"))
    await db.collection(name).createIndex(key, options as object);
}
