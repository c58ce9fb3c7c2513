import { type Document, type MongoClient, ObjectId, type Timestamp } from "mongodb";
import { fill, newItem, targetId, userId } from "./data.ts";
import type { Service } from "./service.ts";

const users = 10;
/** A trim comes once in 26 appends at a limit of 100, so each user sees one. */
const each = 26;

export interface OplogBytes {
  creates: number;
  /** Bytes of oplog for one create at an inbox of 100 items. */
  belfry: number;
  append: number;
  /** The reference's `$push` with `$position` and `$slice`. */
  sliced: number;
}

/** What a create costs everyone who follows the oplog: replicas, change streams, backups. */
export async function measureOplog(
  client: MongoClient,
  database: string,
  service: Service,
): Promise<OplogBytes> {
  const db = client.db(database);
  const collection = db.collection("users");

  async function bytesOf(create: (user: string) => Promise<unknown>): Promise<number> {
    await fill(db, 100, users);
    const from = await newest(client);
    await Promise.all(
      Array.from({ length: users }, async (_, index) => {
        for (let count = 0; count < each; count++) await create(userId(index));
      }),
    );
    return Math.round((await bytesSince(client, from, `${database}.users`)) / (users * each));
  }

  const push = (user: string, options: Document) =>
    collection.updateOne(
      { _id: new ObjectId(user) },
      { $push: { notifications: { $each: [newItem(user, "new_message", 1)], ...options } } } as object,
      { upsert: true },
    );
  return {
    creates: users * each,
    belfry: await bytesOf(async (user) => {
      const answer = await fetch(`${service.url}/create`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user_id: user, key: "new_message", target_id: targetId }),
      });
      if (answer.status !== 201) throw new Error(`create answered ${answer.status}: ${await answer.text()}`);
      await answer.arrayBuffer();
    }),
    append: await bytesOf((user) => push(user, {})),
    sliced: await bytesOf((user) => push(user, { $position: 0, $slice: 100 })),
  };
}

const oplogOf = (client: MongoClient) => client.db("local").collection("oplog.rs");

async function newest(client: MongoClient): Promise<Timestamp> {
  const [last] = await oplogOf(client).find().sort({ $natural: -1 }).limit(1).toArray();
  return last?.ts;
}

async function bytesSince(client: MongoClient, from: Timestamp, ns: string): Promise<number> {
  // A single update is an entry of its own; a batch may stand in one `applyOps`.
  const [sum] = await oplogOf(client)
    .aggregate([
      { $match: { ts: { $gt: from }, $or: [{ ns }, { "o.applyOps.ns": ns }] } },
      { $group: { _id: null, bytes: { $sum: { $bsonSize: "$$ROOT" } } } },
    ])
    .toArray();
  return sum?.bytes ?? 0;
}
