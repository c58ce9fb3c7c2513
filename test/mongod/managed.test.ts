import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChangeStreamInsertDocument, type Document, MongoClient } from "mongodb";
import { afterEach, beforeAll, expect, test } from "vitest";
import { defaultCacheDir } from "../../mongod/cache.ts";
import { findMongod, mongodSources } from "../../mongod/find.ts";
import { type ManagedMongodOptions, runningMongodUri, startManagedMongod } from "../../mongod/index.ts";
import { processIdentity } from "../../mongod/lock.ts";
import { listening } from "../../mongod/socket.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

// The first run on a machine fetches MongoDB.
beforeAll(() => findMongod(sources()), 300_000);

function sources() {
  return mongodSources({ cacheDir: defaultCacheDir(), log: (line) => process.stderr.write(`${line}\n`) });
}

function dataDir() {
  const dir = mkdtempSync(join(tmpdir(), "belfry-mongod-"));
  closers.push(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function start(dir: string, options: Partial<ManagedMongodOptions> = {}) {
  const mongod = await startManagedMongod({ dataDir: dir, log: () => {}, ...options });
  closers.push(() => mongod.close());
  return mongod;
}

async function client(uri: string) {
  const opened = await new MongoClient(uri, { serverSelectionTimeoutMS: 5_000 }).connect();
  closers.push(() => opened.close());
  return opened;
}

const gone = (pid: number) => processIdentity(pid) === undefined;

test("is a replica set: transactions and change streams work, and close() ends it", async () => {
  const dir = join(dataDir(), "not", "there", "yet");
  const mongod = await start(dir);
  const db = await client(mongod.uri);
  const things = db.db("test").collection("things");
  expect(statSync(dir).mode & 0o777).toBe(0o700);

  const stream = db.db("test").watch<Document, ChangeStreamInsertDocument>();
  // The stream begins with its first question, not when it is asked for.
  expect(await stream.tryNext()).toBeNull();
  await db.withSession((session) =>
    session.withTransaction(async () => {
      await things.insertOne({ n: 1 }, { session });
      await db.db("test").collection("others").insertOne({ n: 2 }, { session });
    }),
  );
  const changes = [await stream.next(), await stream.next()];
  expect(changes.map(({ ns }) => ns.coll)).toEqual(["things", "others"]);
  await stream.close();
  await db.close();

  await mongod.close();
  expect(gone(mongod.pid)).toBe(true);
  expect(await mongod.exited).toEqual({ code: 0, signal: null });
  expect(readdirSync(dir)).not.toContain("belfry.lock");
});

test("listens on a socket that only its user can open, on no TCP port, and without compression", async () => {
  const dir = dataDir();
  const mongod = await start(dir);
  const socket = join(dir, "mongod.sock");
  expect(mongod.uri).toBe(`mongodb://${encodeURIComponent(socket)}/?directConnection=true`);
  expect(statSync(socket).mode & 0o777).toBe(0o700);
  const admin = (await client(mongod.uri)).db("admin");
  const { parsed } = await admin.command({ getCmdLineOpts: 1 });
  expect(parsed.net).toMatchObject({ bindIp: socket, compression: { compressors: "disabled" } });
  if (process.platform === "linux") expect(tcpPortsOf(mongod.pid)).toEqual([]);
});

test("keeps its data over a restart, and when the folder was moved", async () => {
  const dir = join(dataDir(), "first");
  const first = await start(dir);
  await (await client(first.uri)).db("test").collection("things").insertOne({ n: 1 });
  await first.close();

  const second = await start(dir);
  expect(second.uri).toBe(first.uri);
  await second.close();

  const moved = join(dataDir(), "moved");
  renameSync(dir, moved);
  const things = (await client((await start(moved)).uri)).db("test").collection("things");
  await things.insertOne({ n: 2 }, { writeConcern: { w: "majority" } });
  expect(await things.countDocuments()).toBe(2);
});

test("opens a folder whose MongoDB an older Belfry ran on a TCP port", async () => {
  const dir = dataDir();
  mkdirSync(join(dir, "mongodb"));
  const { command } = await findMongod(sources());
  const port = await freePort();
  const flags = [
    "--dbpath",
    join(dir, "mongodb"),
    "--bind_ip",
    "127.0.0.1",
    "--port",
    port,
    "--replSet",
    "belfry",
  ];
  const [file = "", ...args] = [...command, ...flags, "--nounixsocket"];
  const old = spawn(file, args, { stdio: "ignore" });
  closers.push(() => old.kill("SIGKILL"));
  await listening({ port: Number(port), host: "127.0.0.1" }, AbortSignal.timeout(30_000));
  const before = await client(`mongodb://127.0.0.1:${port}/?directConnection=true`);
  const host = `127.0.0.1:${port}`;
  await before.db("admin").command({ replSetInitiate: { _id: "belfry", members: [{ _id: 0, host }] } });
  await eventually(
    async () => (await before.db("admin").command({ hello: 1 })).isWritablePrimary,
    "it is primary",
  );
  await before.db("test").collection("things").insertOne({ n: 1 });
  await before.close();
  const ended = once(old, "exit");
  old.kill("SIGTERM");
  await ended;

  const things = (await client((await start(dir)).uri)).db("test").collection("things");
  expect(await things.countDocuments()).toBe(1);
});

test("a data folder with a long path has its socket in a private folder, which goes with mongod", async () => {
  const dir = join(dataDir(), "x".repeat(120));
  const mongod = await start(dir);
  const socket = decodeURIComponent(new URL(mongod.uri).host);
  expect(socket.startsWith(tmpdir())).toBe(true);
  expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  expect(runningMongodUri(dir)).toBe(mongod.uri);
  await (await client(mongod.uri)).db("test").collection("things").insertOne({ n: 1 });
  await mongod.close();
  expect(existsSync(dirname(socket))).toBe(false);
});

/** Ports on which a process listens, by the sockets among its open files. */
function tcpPortsOf(pid: number): string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined; // closed meanwhile
      }
    }),
  );
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === "0A" && own.has(fields[9]))
      .map((fields) => fields[1] as string),
  );
}

test("allows failpoints only when asked to", async () => {
  const failPoint = { configureFailPoint: "failCommand", mode: "off" };
  const plain = await client((await start(dataDir())).uri);
  await expect(plain.db("admin").command(failPoint)).rejects.toThrow(/no such command/);
  const testing = await client((await start(dataDir(), { testCommands: true })).uri);
  expect((await testing.db("admin").command(failPoint)).ok).toBe(1);
});

test("a second start waits, then says who holds the data folder", async () => {
  const dir = dataDir();
  const first = await start(dir);
  const logged: string[] = [];
  const second = start(dir, { waitMs: 300, log: (message) => logged.push(message) });
  await expect(second).rejects.toThrow(
    new RegExp(`in use by process ${process.pid} on .* since 20.*; stop it`),
  );
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatch(/waiting up to/);

  const third = start(dir, { waitMs: 10_000 });
  await sleep(200);
  await first.close();
  expect((await third).pid).not.toBe(first.pid);
});

test("a lock of a dead process, or of an earlier process with the same pid, is taken over", async () => {
  const dir = dataDir();
  const holder = {
    pid: process.pid,
    process: "an-earlier-boot/1",
    host: (await import("node:os")).hostname(),
  };
  writeFileSync(join(dir, "belfry.lock"), JSON.stringify(holder));
  await start(dir, { waitMs: 0 });
  expect(JSON.parse(readFileSync(join(dir, "belfry.lock"), "utf8")).process).not.toBe(holder.process);
});

test("what was acknowledged by the majority outlives kill -9 of mongod", async () => {
  const dir = dataDir();
  const first = await start(dir);
  const db = await client(first.uri);
  const things = db.db("test").collection<{ _id: number }>("things", { writeConcern: { w: "majority" } });
  const acknowledged: number[] = [];
  const writing = (async () => {
    for (let n = 0; ; n++) {
      await things.insertOne({ _id: n });
      acknowledged.push(n);
    }
  })().catch(() => {});
  await eventually(() => acknowledged.length > 50, "50 are acknowledged");
  first.kill("SIGKILL");
  expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });
  await db.close();
  await writing;
  await first.close();

  const second = await start(dir);
  const stored = await (await client(second.uri)).db("test").collection("things").distinct("_id");
  expect(stored).toEqual(expect.arrayContaining(acknowledged));
});

test("a start after kill -9 of the whole service finds the data", async () => {
  const dir = dataDir();
  const parent = spawn(process.execPath, [join(import.meta.dirname, "parent.mjs"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(parent.stdout, "data");
  const { uri, pid } = JSON.parse(String(line));
  const db = await client(uri);
  await db
    .db("test")
    .collection("things")
    .insertOne({ n: 1 }, { writeConcern: { w: "majority" } });
  await db.close();
  parent.kill("SIGKILL");
  await once(parent, "exit");

  const mongod = await start(dir);
  expect(gone(pid)).toBe(true);
  expect(await (await client(mongod.uri)).db("test").collection("things").countDocuments()).toBe(1);
});

test("a mongod left running on the files is stopped first", async () => {
  const dir = dataDir();
  await (await start(dir)).close();
  const { command } = await findMongod(sources());
  const [file = "", ...args] = [
    ...command,
    "--dbpath",
    join(dir, "mongodb"),
    "--port",
    "0",
    "--nounixsocket",
  ];
  const orphan = spawn(file, args, { stdio: "ignore" });
  closers.push(() => orphan.kill("SIGKILL"));
  await expect
    .poll(() => readFileSync(join(dir, "mongodb", "mongod.lock"), "utf8"), { timeout: 60_000 })
    .not.toBe("");

  const logged: string[] = [];
  await start(dir, { log: (message) => logged.push(message) });
  expect(logged[0]).toContain(`process ${orphan.pid}`);
  expect(gone(orphan.pid ?? 0)).toBe(true);
});

test("a start that fails says mongod's reason and leaves nothing behind", async () => {
  const dir = dataDir();
  mkdirSync(join(dir, "mongodb", "mongod.lock"), { recursive: true });
  await expect(start(dir)).rejects.toThrow(/mongod ended at once .*mongod\.lock/);
  expect(existsSync(join(dir, "belfry.lock"))).toBe(false);
  rmSync(join(dir, "mongodb"), { recursive: true });
  await start(dir);
});
