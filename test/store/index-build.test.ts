import { MongoClient } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { prepareCollections } from "../../src/store/indexes.ts";
import { failCommands, ownDatabase } from "../support/database.ts";

const { uri, client, db } = await ownDatabase();

test("a start waits for an index build that takes longer than a socket may be silent", async () => {
  const impatient = new MongoClient(uri, { appName: "impatient", socketTimeoutMS: 500 });
  onTestFinished(() => impatient.close());
  const heal = await failCommands(
    client,
    { times: 2 },
    {
      failCommands: ["createIndexes"],
      namespace: `${db.databaseName}.deliveries`,
      blockConnection: true,
      blockTimeMS: 1_000,
      appName: "impatient",
    },
  );
  onTestFinished(heal);
  const building: string[] = [];
  await prepareCollections(impatient.db(db.databaseName), (collection) => building.push(collection));
  expect(building).toEqual(["deliveries", "deliveries"]);
  expect((await db.collection("deliveries").indexes()).map(({ name }) => name)).toContain("once");
});
