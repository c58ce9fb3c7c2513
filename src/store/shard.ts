import type { Db, Document } from "mongodb";

/**
 * The collections that grow with the users. Both keys hash a user's id, so users spread evenly from the first one on,
 * whether their ids are ObjectIds, which grow, or strings. Statements name one user or a list of users, never a range
 * of ids, so a ranged key would serve none of them better.
 */
const shardKeys = [
  { collection: "users", key: { _id: "hashed" } },
  { collection: "deliveries", key: { user: "hashed" } },
] as const;

export interface ShardStep {
  /** As one would type it in mongosh. */
  shown: string;
  run(): Promise<unknown>;
}

/** The collection is sharded by another key, which MongoDB changes only with `reshardCollection`. */
export class OtherShardKey extends Error {}

/** The steps that are left until `users` and `deliveries` are sharded. Empty when they are. */
export async function shardSteps(db: Db): Promise<ShardStep[]> {
  const steps = await Promise.all(
    shardKeys.map(async ({ collection, key }) => {
      const namespace = `${db.databaseName}.${collection}`;
      const present = await shardKeyOf(db, namespace);
      if (present && JSON.stringify(present) !== JSON.stringify(key))
        throw new OtherShardKey(
          `${namespace} is sharded by ${JSON.stringify(present)}, and Belfry's statements need ${JSON.stringify(key)}.`,
        );
      return present ? [] : stepsFor(db, namespace, collection, key);
    }),
  );
  return steps.flat();
}

function stepsFor(db: Db, namespace: string, collection: string, key: Document): ShardStep[] {
  const keyText = JSON.stringify(key);
  const command = { shardCollection: namespace, key };
  return [
    {
      // MongoDB asks for this index when the collection has documents. Without any it makes the index by itself.
      shown: `db.getSiblingDB(${JSON.stringify(db.databaseName)}).${collection}.createIndex(${keyText})`,
      run: () => db.collection(collection).createIndex(key),
    },
    {
      shown: `db.adminCommand(${JSON.stringify(command)})`,
      run: () => db.admin().command(command),
    },
  ];
}

async function shardKeyOf(db: Db, namespace: string): Promise<Document | undefined> {
  const found = await db.client
    .db("config")
    .collection<{ _id: string; key: Document; unsplittable?: boolean }>("collections")
    .findOne({ _id: namespace });
  // A collection that `moveCollection` has moved is listed, too.
  return found && !found.unsplittable ? found.key : undefined;
}
