import { type Db, ObjectId } from "mongodb";

/** The documents of one user's notification, as a broadcast stores them. */
export const words = {
  title: "Our prices change",
  body: "From the first of next month on. Nothing changes for you.",
};
export const typeKey = "announcement";

/**
 * The driver's own loop that stores the same documents: pages of users by `_id`, an unordered `bulkWrite` for the inboxes and an
 * `insertMany` for the deliveries, both at once. Returns users a second.
 */
export async function plainLoop(db: Db, batch: number, most = Number.POSITIVE_INFINITY): Promise<number> {
  const users = db.collection<{ _id: ObjectId; notifications: object[]; rev: number }>("users");
  const deliveries = db.collection("deliveries");
  const writeConcern = { w: "majority" } as const;
  const began = performance.now();
  let done = 0;
  for (let after = new ObjectId("0".repeat(24)); done < most; ) {
    const page = await users
      .find({ _id: { $gt: after } }, { projection: { _id: 1 }, batchSize: batch + 1 })
      .sort({ _id: 1 })
      .limit(batch)
      .toArray();
    const last = page.at(-1);
    if (!last) break;
    after = last._id;
    const at = new Date();
    const made = page.map(({ _id: user }) => ({ user, id: new ObjectId() }));
    await Promise.all([
      users.bulkWrite(
        made.map(({ user, id }) => ({
          updateOne: {
            filter: { _id: user },
            update: {
              $push: { notifications: itemOf(user, id, at) },
              $inc: { rev: 1 },
              $set: { removedBefore: at.getTime() },
            },
          },
        })),
        { ordered: false, writeConcern },
      ),
      deliveries.insertMany(
        made.map(({ user, id }) => deliveryOf(user, id, at)),
        { ordered: false, writeConcern },
      ),
    ]);
    done += page.length;
  }
  return done / ((performance.now() - began) / 1_000);
}

const itemOf = (user: ObjectId, id: ObjectId, at: Date) => ({
  id: id.toHexString(),
  timestamp: Math.floor(at.getTime() / 1_000),
  is_new: true,
  user_id: user.toHexString(),
  key: typeKey,
  ...words,
  rev: at.getTime(),
});

const dayMs = 24 * 60 * 60_000;

const deliveryOf = (user: ObjectId, notification: ObjectId, at: Date) => ({
  _id: new ObjectId(),
  notification,
  user,
  type: typeKey,
  channel: "email",
  content: { key: typeKey, at: at.getTime(), ...words },
  bulk: true,
  state: "pending",
  due: new Date(at.getTime() + dayMs),
  tries: 0,
  attempts: [],
  createdAt: at,
  updatedAt: at,
});
