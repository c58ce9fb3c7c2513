import { setTimeout as sleep } from "node:timers/promises";
import { type Db, type Document, MongoClient, type MongoClientOptions, ReadConcern } from "mongodb";

export interface Connection {
  client: MongoClient;
  db: Db;
  /** False on a standalone mongod: there a commit cannot be atomic over two collections. */
  transactions: boolean;
  /** Whether the server is a `mongos`, the router of a sharded cluster. */
  routed: boolean;
  serverVersion: string;
}

export const appName = "belfry";

/**
 * By default the driver waits for a long time or for ever. With these limits every failure is answered. The majority
 * write concern is set here and not left to the URI: a 2xx must survive a lost primary.
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
  // The driver looks up field names in its default, `{}`, and finds `valueOf`: a list of that name came back as raw
  // bytes.
  fieldsAsRaw: Object.create(null),
};

/** The database that the URI names after its hosts, or `belfry`. */
export function databaseName(uri: string): string {
  const named = /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]+)/.exec(uri)?.[1];
  return named === undefined ? "belfry" : decodeURIComponent(named);
}

/**
 * Connects and detects what the server supports. Throws the driver's error when the server cannot be reached within 5
 * s, or when `signal` aborts.
 */
export async function connect(uri: string, signal?: AbortSignal): Promise<Connection> {
  const client = new MongoClient(uri, clientOptions);
  const interrupt = () => void client.close();
  signal?.addEventListener("abort", interrupt);
  try {
    await client.connect();
    const [connection, build] = await Promise.all([
      connectionOn(client, client.db(databaseName(uri))),
      client.db("admin").command({ buildInfo: 1 }),
    ]);
    return { ...connection, serverVersion: String(build.version) };
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", interrupt);
  }
}

/** A connection that uses an existing client. */
export async function connectionOn(client: MongoClient, db: Db): Promise<Omit<Connection, "serverVersion">> {
  const hello = await db.admin().command({ hello: 1 });
  const routed = hello.msg === "isdbgrid";
  return { client, db, routed, transactions: routed || typeof hello.setName === "string" };
}

/** MongoDB cannot be used. The message is a sentence for an operator and contains no credentials. */
export class DatabaseError extends Error {}

/**
 * Connects, and waits for a MongoDB that does not answer yet, because containers start in any order. Fails at once on
 * problems that waiting cannot fix: a refused login, an untrusted certificate, a wrong option. Calls `say` after 2 s,
 * and then every 10 s, with what it waits for. Throws `DatabaseError`.
 */
export async function connectWhenReady(
  uri: string,
  { waitMs, say, signal }: { waitMs: number; say: (sentence: string) => void; signal: AbortSignal },
): Promise<Connection> {
  const host = hostsOf(uri);
  const began = performance.now();
  const left = () => Math.max(0, waitMs - (performance.now() - began));
  const tell = () =>
    say(`MongoDB at ${host} does not answer yet; waiting ${Math.ceil(left() / 1000)} s more`);
  const first = setTimeout(tell, firstWordMs);
  const further = setInterval(tell, nextWordMs);
  try {
    for (;;) {
      const failure = await connect(uri, signal).catch((error: Error) => error);
      if (!(failure instanceof Error)) return failure;
      signal.throwIfAborted();
      const lasting = lastingProblem(failure, host);
      if (lasting !== undefined) throw new DatabaseError(lasting, { cause: failure });
      if (left() === 0)
        throw new DatabaseError(
          `MongoDB at ${host} did not answer for ${Math.round((performance.now() - began) / 1000)} s (${failure.message}). Start it, or correct DB_URI; DB_WAIT_SECONDS sets how long Belfry waits.`,
          { cause: failure },
        );
      await sleep(Math.min(betweenTriesMs, left()), undefined, { signal });
    }
  } finally {
    clearTimeout(first);
    clearInterval(further);
  }
}

const firstWordMs = 2_000;
const nextWordMs = 10_000;
const betweenTriesMs = 500;

/** The hosts that a URI names, without the login before them. */
export function hostsOf(uri: string): string {
  const hosts = /^mongodb(?:\+srv)?:\/\/(?:[^@/?]*@)?([^/?]+)/.exec(uri)?.[1] ?? "an unknown host";
  return hosts.includes("%") ? decodeURIComponent(hosts) : hosts;
}

function lastingProblem(error: Error, host: string): string | undefined {
  const { code, cause } = error as Error & { code?: unknown };
  if (code === 18 || code === 8000 || /authentication failed|bad auth/i.test(error.message))
    return `MongoDB at ${host} refuses the login: check user, password and authSource in DB_URI.`;
  if (error.name === "MongoParseError" || error.name === "MongoInvalidArgumentError")
    return `DB_URI is not valid: ${error.message}.`;
  const text = `${error.message} ${cause instanceof Error ? cause.message : ""}`;
  return /self[- ]signed certificate|unable to (verify|get).*certificate|certificate has expired|altnames/i.test(
    text,
  )
    ? `The certificate of MongoDB at ${host} is not trusted: ${error.message}. For a private CA set NODE_EXTRA_CA_CERTS to its file.`
    : undefined;
}

/**
 * A database on the caller's client, whose options may differ from ours; our own are set here. Without a `name` it is
 * the database that the client's URI names, or `belfry`.
 */
export function databaseOn(client: MongoClient, name: string | undefined): Db {
  // The driver uses `test` when the URI names no database.
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
  // The driver reads this option from the client only, so it is set directly.
  db.bsonOptions.fieldsAsRaw = clientOptions.fieldsAsRaw as Document;
  return db;
}
