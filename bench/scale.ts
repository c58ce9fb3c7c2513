import { mkdirSync } from "node:fs";
import { Agent, request } from "node:http";
import type { Db, Document } from "mongodb";
import { ObjectId } from "mongodb";
import { createClaims } from "../src/store/claims.ts";
import { newId } from "../src/store/ids.ts";
import { inboxDocument, newDelivery, newItem, targetId, userId } from "./data.ts";
import { median } from "./figures.ts";
import { cpuSeconds, watchCpu } from "./machine.ts";
import { type Part, type PartName, type Point, readParts, type Storage, write } from "./scale-report.ts";
import { type Service, startService } from "./service.ts";
import { setUp } from "./stage.ts";

// Does a request cost more when there is more of everything? Each part fills one database step by step, and measures the
// same requests at each size. A run may have some of the parts: the others keep their former results.

const numbers = (name: string, usual: string) => (process.env[name] ?? usual).split(",").map(Number);
const asked = (process.env.SCALE_PARTS ?? "users,backlog,inbox,finished,followers").split(",") as PartName[];
const requests = Number(process.env.SCALE_REQUESTS ?? 2_000);
const rounds = 3;
const inFlight = 32;
const itemsPerInbox = 10;
const claimed = 16;
const failedShare = 1_000;
const dayMs = 24 * 60 * 60_000;

const { say, folder, mongod, client, uriOf, facts, strike } = await setUp("scale");
const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
try {
  const parts: Record<PartName, () => Promise<Omit<Part, "measuredAt">>> = {
    users: growingUsers,
    backlog: growingBacklog,
    inbox: growingInbox,
    finished: growingFinished,
    followers: growingFollowers,
  };
  for (const name of asked) {
    if (!(name in parts)) throw new Error(`SCALE_PARTS: unknown part ${name}`);
    const part = { measuredAt: new Date().toISOString(), ...(await parts[name]()) };
    for (const file of write({ ...facts, requests, rounds, parts: { ...readParts(), [name]: part } }))
      say(`wrote ${file}`);
  }
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  agent.destroy();
  await strike();
}

/** More users, each with some items. */
async function growingUsers() {
  const { db, service } = await fresh("users");
  const points: Point[] = [];
  let count = 0;
  for (const size of numbers("SCALE_USERS", "10000,100000,1000000")) {
    await fill(db, "users", size - count, () => inboxDocument(userId(count++), itemsPerInbox));
    const user = () => userId(Math.floor(Math.random() * size));
    points.push(
      await point("create", size, service, create(service, "new_message", user)),
      await point("list", size, service, () => get(service, `/list?user_id=${user()}`)),
    );
  }
  return { points, storage: { users: await storageOf(db, "users") } };
}

/** More deliveries that wait. */
async function growingBacklog() {
  const { db, service } = await fresh("backlog");
  const points: Point[] = [];
  let count = 0;
  for (const size of numbers("SCALE_BACKLOG", "1000,100000,1000000")) {
    const due = new Date();
    await fill(db, "deliveries", size - count, () => newDelivery(userId(count++ % 10_000), newId(), due));
    points.push(
      await point("create and plan a mail", size, service, create(service, "new_login", anyUser)),
      await point("claim and release", size, undefined, claim(db), { count: requests / 10, atOnce: 1 }),
    );
  }
  return { points };
}

/** Larger inboxes, all of them full; and the least that any program does with such a document. */
async function growingInbox() {
  const points: Point[] = [];
  for (const limit of numbers("SCALE_INBOX", "20,100,1000")) {
    const { db, service } = await fresh(`inbox_${limit}`, { INBOX_LIMIT: `${limit}` });
    const users = 500;
    let count = 0;
    await fill(db, "users", users, () => inboxDocument(userId(count++), limit));
    const user = () => userId(Math.floor(Math.random() * users));
    const documents = db.collection<{ notifications: object[] }>("users");
    const append = () => {
      const id = user();
      const notifications = newItem(id, "new_message", 1);
      return documents.updateOne({ _id: new ObjectId(id) }, { $push: { notifications } });
    };
    const read = () =>
      documents.findOne(
        { _id: new ObjectId(user()) },
        { projection: { notifications: { $slice: -itemsPerInbox } } },
      );
    points.push(
      await point("create", limit, service, create(service, "new_message", user)),
      await point("list", limit, service, () => get(service, `/list?user_id=${user()}`)),
      await point("the driver appends an item", limit, undefined, append, { isReference: true }),
      await point("the driver reads ten items", limit, undefined, read, { isReference: true }),
    );
    await service.stop();
  }
  return { points };
}

/** More deliveries that are finished: copies of one that was really sent, one in a thousand failed. */
async function growingFinished() {
  const { db, service } = await fresh("finished");
  const sender = await startService({ DB_URI: uriOf(db.databaseName) }, folder);
  await create(sender, "new_login", anyUser)();
  let sent: Document | null = null;
  while (!sent) sent = await db.collection("deliveries").findOne({ state: "sent" });
  await sender.stop();
  const template = sent;
  const points: Point[] = [];
  let count = 1;
  /** Each user's page is full at every size. */
  const perUser = 10;
  for (const size of numbers("SCALE_FINISHED", "10000,100000,1000000")) {
    await fill(db, "deliveries", size - count, () => ({
      ...template,
      _id: new ObjectId(),
      notification: new ObjectId(),
      user: new ObjectId(userId(Math.floor(count++ / perUser))),
      state: count % failedShare === 0 ? "failed" : "sent",
      expireAt: new Date(Date.now() + 90 * dayMs),
    }));
    // The same few, whatever the size.
    await fill(db, "deliveries", 1_000, () => newDelivery(anyUser(), newId()));
    const known = (size: number) => userId(Math.floor((Math.random() * size) / perUser));
    const page = (filter: string) => () => get(service, `/v1/deliveries?limit=10&${filter}`);
    points.push(
      await point("create and plan a mail", size, service, create(service, "new_login", anyUser)),
      await point("claim and release", size, undefined, claim(db), { count: requests / 10, atOnce: 1 }),
      await point("an operator's page of failed ones", size, service, page("status=failed"), {
        count: requests / 2,
      }),
      await point("an operator's page of a type", size, service, page("type=new_login"), {
        count: requests / 2,
      }),
      await point("an operator's page of a user", size, service, () => page(`user_id=${known(size)}`)(), {
        count: requests / 2,
      }),
    );
    await db.collection("deliveries").deleteMany({ state: { $in: ["pending", "sending"] } });
  }
  return { points, storage: { deliveries: await storageOf(db, "deliveries") } };
}

/** More processes with live connections. Each hears of every change, also of those that concern none of its devices. */
async function growingFollowers() {
  const { db, service } = await fresh("followers");
  let count = 0;
  await fill(db, "users", 10_000, () => inboxDocument(userId(count++), itemsPerInbox));
  const followers: Service[] = [];
  const points: Point[] = [];
  for (const size of numbers("SCALE_FOLLOWERS", "1,4")) {
    while (followers.length < size)
      followers.push(await startService({ DB_URI: uriOf(db.databaseName), ROLES: "realtime" }, folder));
    const ask = create(service, "new_message", anyUser);
    points.push(
      await point("create", size, service, ask),
      await point("one process that follows", size, undefined, ask, { of: followers.map((one) => one.pid) }),
    );
  }
  return { points };
}

function anyUser() {
  return userId(Math.floor(Math.random() * 10_000));
}

/** An empty database, and a service on it that sends nothing. */
async function fresh(name: string, variables: Record<string, string> = {}) {
  const db = client.db(`scale_${name}`);
  const cwd = `${folder}/${name}`;
  mkdirSync(cwd, { recursive: true });
  const service = await startService({ DB_URI: uriOf(db.databaseName), ROLES: "api", ...variables }, cwd);
  return { db, service };
}

/** In bulk: nothing of it needs to survive a crash. */
async function fill(db: Db, collection: string, count: number, make: () => object): Promise<void> {
  const began = performance.now();
  const batch = 2_000;
  const writer = async (share: number) => {
    for (let left = share; left > 0; left -= batch) {
      const documents = Array.from({ length: Math.min(batch, left) }, make);
      await db.collection(collection).insertMany(documents, { ordered: false, writeConcern: { w: 1 } });
    }
  };
  await Promise.all([writer(Math.ceil(count / 2)), writer(Math.floor(count / 2))]);
  say(`${db.databaseName}: ${count} ${collection} in ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

/**
 * Processor time of mongod and Belfry for one request: the median of some rounds, after a warm-up. Without a service, this
 * process does Belfry's work. `of`: the mean of these processes instead.
 */
async function point(
  what: string,
  size: number,
  service: Service | undefined,
  ask: () => Promise<unknown>,
  {
    count = requests,
    atOnce = inFlight,
    of,
    isReference,
  }: { count?: number; atOnce?: number; of?: number[]; isReference?: true } = {},
): Promise<Point> {
  const sum = (pids: number[]) => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  const pids = service ? [mongod.pid, service.pid] : [mongod.pid];
  const own = () => (service ? 0 : process.cpuUsage().user / 1e6);
  const spent = () => (of ? sum(of) / of.length : sum(pids) + own());
  await repeated(count / 4, ask, atOnce);
  const micros: number[] = [];
  const noise: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const stop = watchCpu(Object.fromEntries([...pids, ...(of ?? [])].map((pid) => [`${pid}`, pid])));
    const before = spent();
    await repeated(count, ask, atOnce);
    micros.push(Math.round(((spent() - before) * 1e6) / count));
    noise.push(stop().others as number);
  }
  say(`${what}, ${size}: ${micros.join(" ")} µs; others ${noise.join(" ")} %`);
  const range = [Math.min(...micros), Math.max(...micros)] satisfies [number, number];
  const figures = { micros: median(micros), range, others: Math.max(...noise) };
  return { what, size, ...figures, ...(isReference && { isReference }) };
}

async function repeated(count: number, ask: () => Promise<unknown>, atOnce: number): Promise<void> {
  let left = Math.ceil(count);
  const one = async () => {
    while (left-- > 0) await ask();
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** As one worker does it: the bench is the process that is measured. They are given back, behind all others. */
function claim(db: Db) {
  const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
  return async () => {
    const now = Date.now();
    const held = await claims.claim(claimed, { token: newId(), until: now + dayMs }, now);
    if (held.length < claimed) throw new Error(`only ${held.length} were claimed`);
    await claims.release(held, now, now);
  };
}

function create(service: Service, key: string, user: () => string) {
  return () =>
    call(service, "POST", "/create", JSON.stringify({ user_id: user(), key, target_id: targetId }));
}

function get(service: Service, path: string) {
  return call(service, "GET", path);
}

function call({ url }: Service, method: string, path: string, body?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body ?? "") };
    const asking = request(url + path, { agent, method, ...(body && { headers }) }, (response) => {
      const isGood = (response.statusCode ?? 500) < 300;
      response.resume();
      response.on("end", () => (isGood ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

async function storageOf(db: Db, collection: string): Promise<Storage> {
  // WiredTiger counts a file's size at a checkpoint.
  await db.admin().command({ fsync: 1 });
  const [found] = await db
    .collection(collection)
    .aggregate([{ $collStats: { storageStats: {} } }])
    .toArray();
  const { count, size, storageSize, totalIndexSize, indexSizes } = (found as Document).storageStats;
  return { count, size, storageSize, totalIndexSize, indexSizes };
}
