import { type Db, MongoClient, type MongoClientOptions } from "mongodb";

export interface Connection {
  client: MongoClient;
  db: Db;
  /** False on a standalone mongod: there a commit cannot be atomic over two collections. */
  transactions: boolean;
  serverVersion: string;
}

export const appName = "belfry";

/**
 * The driver waits long or for ever by default; these bounds make every failure an answer.
 * Majority is set here and not trusted to the URI: a 2xx must survive a lost primary.
 */
const clientOptions: MongoClientOptions = {
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
    return { client, db: client.db(databaseName(uri)), transactions, serverVersion: String(build.version) };
  } catch (error) {
    await client.close();
    throw error;
  }
}
