// A shop that ships an order and notifies its customer in one transaction. It says so before or after the commit, and
// waits to be killed.
import { createBelfry } from "belfry";
import { MongoClient } from "mongodb";

const [uri, moment] = process.argv.slice(2);
const client = new MongoClient(uri, { appName: "shop-that-dies" });
const belfry = createBelfry({ client });
const sayAndWait = async (id) => {
  process.stdout.write(`${id}\n`);
  await new Promise((resolve) => setTimeout(resolve, 600_000));
};

await client.withSession(async (session) => {
  const id = await session.withTransaction(async () => {
    await client.db().collection("orders").insertOne({ _id: "7", state: "shipped" }, { session });
    const made = await belfry.notify({ user: "ann", type: "new_login" }, { session });
    if (moment === "before") await sayAndWait(made.id);
    return made.id;
  });
  await sayAndWait(id);
});
