import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { MongoClient, ObjectId } from "mongodb";
import { newDelivery, newItem, newMail, randomUser } from "./data.ts";
import { percentile } from "./figures.ts";
import type { Load } from "./load.ts";

/** `sent` also stores the mail that would go out, and marks the delivery as sent. */
export type ReferenceKind = "create" | "login" | "sent" | "list";

interface Task {
  kind: ReferenceKind;
  database: string;
  seconds: number;
}

const inFlight = 32;

/** What a program without Belfry would do, in a process of its own: 32 loops over the plain driver. */
export function startReference(uri: string) {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [uri]);
  return {
    pid: child.pid as number,
    async run(task: Task): Promise<Load> {
      child.send(task);
      const [answer] = await once(child, "message");
      if (answer.error) throw new Error(`the reference failed: ${answer.error}`);
      return answer;
    },
    async stop() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const client = new MongoClient(process.argv[2] as string, { w: "majority" });
  process.on("message", (task: Task) => {
    measure(client, task).then(
      (result) => process.send?.(result),
      (error: Error) => process.send?.({ error: error.stack }),
    );
  });
  process.on("disconnect", () => void client.close());
}

async function measure(client: MongoClient, { kind, database, seconds }: Task): Promise<Load> {
  const users = client.db(database).collection("users");
  const deliveries = client.db(database).collection("deliveries");
  const captured = client.db(database).collection("captured");

  const push = (user: string, key: string) => {
    const item = newItem(user, key, 1);
    const update = { $push: { notifications: { $each: [item], $position: 0, $slice: 100 } } };
    return { id: item.id, filter: { _id: new ObjectId(user) }, update: update as object };
  };
  /** One transaction; returns the delivery. */
  const login = async () => {
    const user = randomUser();
    const { id, filter, update } = push(user, "new_login");
    const delivery = newDelivery(user, id);
    const session = client.startSession();
    try {
      await session.withTransaction(async () => {
        await users.updateOne(filter, update, { upsert: true, session });
        await deliveries.insertOne(delivery, { session });
      });
    } finally {
      await session.endSession();
    }
    return delivery;
  };
  const act = {
    async create() {
      const { filter, update } = push(randomUser(), "new_message");
      await users.updateOne(filter, update, { upsert: true });
    },
    async login() {
      await login();
    },
    async sent() {
      const { _id, user } = await login();
      const owner = await users.findOne({ _id: user }, { projection: { email: 1 } });
      await captured.insertOne(newMail(_id, user, owner?.email));
      await deliveries.updateOne(
        { _id },
        { $set: { state: "sent", updatedAt: new Date() }, $inc: { tries: 1 } },
      );
    },
    async list() {
      await users.findOne({ _id: new ObjectId(randomUser()) });
    },
  }[kind];

  const took: number[] = [];
  const began = performance.now();
  const end = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (let at = performance.now(); at < end; ) {
        await act();
        const now = performance.now();
        took.push(now - at);
        at = now;
      }
    }),
  );
  const rate = (took.length / (performance.now() - began)) * 1000;
  return { rate, p50: percentile(took, 0.5), p99: percentile(took, 0.99), failed: 0 };
}
