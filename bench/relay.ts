import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { createBatcher } from "../src/lib/batcher.ts";
import type { PlannedNotification } from "../src/model/notification.ts";
import { createCommitter } from "../src/store/commit.ts";
import { clientOptions, databaseName } from "../src/store/connect.ts";
import { newId } from "../src/store/ids.ts";
import { prepareCollections } from "../src/store/indexes.ts";
import { createTally } from "../src/store/tally.ts";
import { startChild } from "./child.ts";

/**
 * The least that a service around Belfry's commit can do: Node's own HTTP server reads the request, and the same two lanes store
 * it. It checks nothing, has no metrics and tells no other instance, so it shows what all of that costs.
 */
export const startRelay = (uri: string) => startChild(fileURLToPath(import.meta.url), uri);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const uri = process.argv[2] as string;
  const client = new MongoClient(uri, clientOptions);
  const db = client.db(databaseName(uri));
  const { bulkWrites } = await prepareCollections(db);
  const commit = createCommitter({
    client,
    db,
    bulkWrites,
    transactions: true,
    inboxLimit: 100,
    newUser: {},
    now: Date.now,
    tally: createTally(newId(), 90),
  });
  const lanes = [0, 1].map(() =>
    createBatcher({
      maxItems: 300,
      run: (batch: PlannedNotification[]) => commit(batch, new Map()),
    }),
  );
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", async () => {
      const planned = planOf(JSON.parse(body));
      const lane = lanes[planned.user.charCodeAt(planned.user.length - 1) & 1] as (typeof lanes)[number];
      const status = await lane.submit(planned).then(
        () => 201,
        () => 503,
      );
      response.writeHead(status, { "content-type": "application/json" });
      response.end('{"success":true}');
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => process.exit());
}

function planOf({ user_id, key, target_id }: Record<"user_id" | "key" | "target_id", string>) {
  const id = newId();
  const at = Date.now();
  const item = { id, timestamp: Math.floor(at / 1000), is_new: true, user_id, key, target_id };
  const content = { key, at, targetId: target_id };
  const deliveries = key === "new_login" ? [{ id: newId(), channel: "email", content }] : [];
  return { id, user: user_id, item, deliveries };
}
