// An order is shipped and its customer is told: both, or neither. No HTTP, and no service needed to run this; one with
// the worker role on the same database sends the mail (NOTIFICATION_TYPES_FILE=examples/library/types.json).
//
//   DB_URI='mongodb://127.0.0.1:27017/shop?replicaSet=rs0' node examples/library/ship.js 1001 alex

import { readFile } from "node:fs/promises";
import { BelfryError, createBelfry } from "belfry";
import { MongoClient } from "mongodb";

const [order = "1001", customer = "alex"] = process.argv.slice(2);
const client = new MongoClient(process.env.DB_URI ?? "mongodb://127.0.0.1:27017/shop");
const types = JSON.parse(await readFile(new URL("types.json", import.meta.url), "utf8"));
const belfry = createBelfry({ client, types });
/** @type {import("mongodb").Collection<{ _id: string, customer: string, state: "paid" | "shipped" }>} */
const orders = client.db().collection("orders");

try {
  await belfry.ready();
  await orders.updateOne({ _id: order }, { $setOnInsert: { customer, state: "paid" } }, { upsert: true });

  const { id } = await client.withSession((session) =>
    session.withTransaction(async () => {
      const { modifiedCount } = await orders.updateOne(
        { _id: order, state: "paid" },
        { $set: { state: "shipped" } },
        { session },
      );
      if (modifiedCount === 0) throw new Error(`order ${order} has been shipped before`);
      // Last in the transaction: until it ends, others wait who notify the same user.
      return belfry.notify(
        { user: customer, type: "order_shipped", data: { order, tracking: `T-${order}` } },
        { session },
      );
    }),
  );

  const { unread } = await belfry.inbox.list({ user: customer });
  console.log(`shipped; notification ${id}; ${customer} has ${unread} unread`);
} catch (error) {
  console.error(error instanceof BelfryError ? `${error.code}: ${error.message}` : String(error));
  process.exitCode = 1;
} finally {
  await belfry.close();
  await client.close();
}
