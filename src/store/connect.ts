import { type Db, type Document, MongoClient, type MongoClientOptions, ReadConcern } from "mongodb";
import { createUserWrites, type UserWrites } from "./user-writes.ts";

export interface Connection {
  client: MongoClient;
  db: Db;
  /** False on a standalone mongod: there a commit cannot be atomic over two collections. */
  transactions: boolean;
  /** How documents of users are written. */
  writes: UserWrites;
  serverVersion: string;
}

export const appName = "belfry";

/**
 * The driver waits long or for ever by default; these bounds make every failure an answer.
 * Majority is set here and not trusted to the URI: a 2xx must survive a lost primary.
 */
export const clientOptions: MongoClientOptions = {
  appName,
  w: "majority",
  wtimeoutMS: 10_000,
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  waitQueueTimeoutMS: 2_000,
  socketTimeoutMS: 30_000,
  maxPoolSize: 20,
  // The driver looks names up in its default, `{}`, and finds `valueOf`: a list under such a name came back as raw bytes.
  fieldsAsRaw: Object.create(null),
};

/** The database that the URI names after its hosts, or `belfry`. */
export function databaseName(uri: string): string {
  const named = /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]+)/.exec(uri)?.[1];
  return named === undefined ? "belfry" : decodeURIComponent(named);
}

/** Connects and learns what the server can do. Throws the driver's error when it cannot be reached in 5 s. */
export async function connect(uri: string): Promise<Connection> {
  const client = new MongoClient(uri, clientOptions);
  try {
    await client.connect();
    const admin = client.db("admin");
    const [hello, build] = await Promise.all([admin.command({ hello: 1 }), admin.command({ buildInfo: 1 })]);
    const transactions = typeof hello.setName === "string" || hello.msg === "isdbgrid";
    const db = client.db(databaseName(uri));
    const writes = createUserWrites(db, transactions);
    return { client, db, transactions, writes, serverVersion: String(build.version) };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/**
 * A database on a client that is somebody else's and set up for other needs: what ours are is said here. Without a `name`
 * it is the one that the client's URI names, or `belfry`.
 */
export function databaseOn(client: MongoClient, name: string | undefined): Db {
  // `test` is the driver's word for none.
  const named = client.options.dbName === "test" ? "belfry" : client.options.dbName;
  const db = client.db(name ?? named, {
    writeConcern: { w: "majority", wtimeoutMS: 10_000 },
    readConcern: new ReadConcern("local"),
    readPreference: "primary",
    raw: false,
    promoteValues: true,
    promoteLongs: true,
    promoteBuffers: false,
    useBigInt64: false,
    bsonRegExp: false,
    ignoreUndefined: false,
    serializeFunctions: false,
    enableUtf8Validation: true,
    forceServerObjectId: false,
  });
  // A database takes it from its client alone.
  db.bsonOptions.fieldsAsRaw = clientOptions.fieldsAsRaw as Document;
  return db;
}
