import { setTimeout as sleep } from "node:timers/promises";
import { type Db, type Document, MongoClient, MongoServerError } from "mongodb";

export const SET_NAME = "belfry";

/**
 * The driver talks to this one socket and takes the server for what it is, a primary: transactions, change streams
 * and retryable writes all work. With `replicaSet=` it would instead follow the address in the set's configuration.
 */
export function uriFor(socket: string) {
  return `mongodb://${encodeURIComponent(socket)}/?directConnection=true`;
}

/** Makes the listening mongod the primary of its one-member set, whatever state its data folder brought along. */
export async function becomePrimary(socket: string, signal: AbortSignal) {
  const client = new MongoClient(uriFor(socket), { maxPoolSize: 1, serverSelectionTimeoutMS: 10_000 });
  try {
    const admin = client.db("admin");
    for (let tries = 0; ; tries++) {
      const hello = await admin.command({ hello: 1 }, { signal });
      if (hello.isWritablePrimary) return;
      // No set yet, or one whose only member has another address: a folder that was moved, or one of an older Belfry.
      if (!hello.setName && tries % 50 === 0) await configure(client, admin, socket);
      await sleep(5, undefined, { signal });
    }
  } finally {
    await client.close();
  }
}

async function configure(client: MongoClient, admin: Db, host: string) {
  const old = await client.db("local").collection<Document>("system.replset").findOne();
  try {
    if (!old) {
      const settings = { electionTimeoutMillis: 1_000, heartbeatIntervalMillis: 1_000 };
      await admin.command({ replSetInitiate: { _id: SET_NAME, members: [{ _id: 0, host }], settings } });
    } else if (old.members[0].host !== host) {
      const config = { ...old, members: [{ ...old.members[0], host }], version: old.version + 1 };
      await admin.command({ replSetReconfig: config, force: true });
    }
  } catch (error) {
    // While starting, the server loads its configuration on its own: whatever it refuses meanwhile, look again.
    if (!(error instanceof MongoServerError)) throw error;
  }
}
