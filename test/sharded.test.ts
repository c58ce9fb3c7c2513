import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type Cluster, startCluster } from "./support/cluster.ts";

/** The essentials on a sharded cluster. */
let cluster: Cluster;
let uri: string;
let client: MongoClient;

beforeAll(async () => {
  cluster = await startCluster({ log: (line) => void process.stdout.write(`${line}\n`) });
  uri = `${cluster.uri}belfry`;
  client = new MongoClient(uri);
});
afterAll(async () => {
  await client?.close();
  await cluster?.close();
});

const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

function shard(args: string[] = [], to = uri): Promise<{ code: number; out: string; err: string }> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, "shard", ...args],
      { env: { PATH, HOME, DB_URI: to }, cwd: tmpdir() },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

const commands = `db.getSiblingDB("belfry").users.createIndex({"_id":"hashed"})
db.adminCommand({"shardCollection":"belfry.users","key":{"_id":"hashed"}})
db.getSiblingDB("belfry").deliveries.createIndex({"user":"hashed"})
db.adminCommand({"shardCollection":"belfry.deliveries","key":{"user":"hashed"}})
`;

test("belfry shard shards users and deliveries by user, once, and shows its commands", async () => {
  const sharded = () => client.db("config").collection<{ _id: string }>("collections");
  const names = () => sharded().distinct("_id", { _id: /^belfry\./ });
  expect(await shard(["--dry-run"])).toEqual({ code: 0, out: commands, err: "Nothing was changed.\n" });
  expect(await names()).toEqual([]);
  const first = await shard();
  expect(first).toMatchObject({ code: 0, out: commands });
  expect(first.err).toMatch(/users and deliveries are sharded by user\.\n$/);
  expect((await names()).sort()).toEqual(["belfry.deliveries", "belfry.users"]);
  expect(await shard()).toEqual({
    code: 0,
    out: "",
    err: "users and deliveries are sharded by user already. Nothing to do.\n",
  });
});

test("belfry shard refuses a server that is no mongos, and another shard key", async () => {
  expect(await shard([], inject("mongoUri"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^MongoDB is not a sharded cluster here: DB_URI must name its mongos\./),
  });
  const key = { email: 1 };
  await client.db("admin").command({ shardCollection: "other.users", key });
  expect(await shard([], `${cluster.uri}other`)).toMatchObject({
    code: 1,
    err: 'other.users is sharded by {"email":1}, and Belfry\'s statements need {"_id":"hashed"}.\n',
  });
});
