import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextRound } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { startManagedMongod } from "../../mongod/index.ts";
import { clientOptions } from "../../src/store/connect.ts";
import { orUnavailable } from "../../src/store/failures.ts";
import { createTransactions } from "../../src/store/transactions.ts";
import { freshDatabase } from "../support/database.ts";

// `test/support/wake-sockets.ts` has called `wakeClosedSockets`.
test("a command sent at the moment MongoDB is killed fails instead of waiting for ever", async () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-killed-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const mongod = await startManagedMongod({ dataDir: folder, log: () => {} });
  onTestFinished(() => mongod.close());
  const client = new MongoClient(mongod.uri, {
    ...clientOptions,
    serverSelectionTimeoutMS: 1_000,
    retryReads: false,
  });
  onTestFinished(() => client.close());
  const admin = client.db("admin");
  const ping = () => admin.command({ ping: 1 });
  const { pid } = await admin.command({ serverStatus: 1 });
  await Promise.all(Array.from({ length: 10 }, ping));

  const open = new Set<Promise<unknown>>();
  await nextRound();
  process.kill(pid, "SIGKILL");
  // Block the event loop until the sockets' ends have arrived, then send one command in each of its rounds.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  for (let round = 0; round < 15; round++) {
    await nextRound();
    const sent: Promise<unknown> = ping().then(
      () => open.delete(sent),
      () => open.delete(sent),
    );
    open.add(sent);
  }
  await Promise.all(open);
  await expect(ping()).rejects.toThrow();
});

const { client: shared, db } = freshDatabase();

// The driver passes this error on as it is (7.8). A run of the chaos suite on a cluster had it in 2 of 10,000 requests.
async function errorOfEndedSocket(): Promise<NodeJS.ErrnoException> {
  const server = createServer((socket) => void socket.end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const failed = once(socket, "error");
  // By then Node has ended its own side, and `close` has not come yet.
  socket
    .resume()
    .once("end", () => process.nextTick(() => process.nextTick(() => socket.write("a command"))));
  const [error] = await failed;
  expect(error).toMatchObject({ code: "EPIPE", message: "This socket has been ended by the other party" });
  return error;
}

test("Node's error about a socket that its server has ended is database_unavailable", async () => {
  const error = await errorOfEndedSocket();
  const unavailable = { code: "database_unavailable", cause: error };
  await expect(orUnavailable(() => Promise.reject(error))).rejects.toMatchObject(unavailable);
});

test("a transaction in which a socket has ended is repeated as a whole", async () => {
  const error = await errorOfEndedSocket();
  const counts = db.collection<{ _id: string; n: number }>("counts");
  await counts.insertOne({ _id: "one", n: 0 });
  const inTransaction = createTransactions({ client: shared, now: Date.now });
  let tries = 0;
  await inTransaction(
    async (session) => {
      await counts.updateOne({ _id: "one" }, { $inc: { n: 1 } }, { session });
      if (tries++ === 0) throw error;
    },
    { conflicts: 0, deadline: Date.now() + 5_000 },
  );
  expect(tries).toBe(2);
  expect(await counts.findOne({ _id: "one" })).toEqual({ _id: "one", n: 1 });
});
