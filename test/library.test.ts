import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type ClientSession, MongoClient, ObjectId } from "mongodb";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type Belfry, type BelfryOptions, createBelfry, type NotifyCommand } from "../src/library.ts";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { usersOf } from "../src/store/inbox.ts";
import { bucketsOf, sinceId } from "../src/store/tally.ts";
import { failCommands, ownDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";
import { startStandalone } from "./support/standalone.ts";

const { uri, client, db } = await ownDatabase();
/** A shop's own data beside its users. */
const orders = db.collection<{ _id: string; state: string }>("orders");

beforeEach(async () => {
  await db.dropDatabase();
});

function open(options: Partial<BelfryOptions> = {}): Belfry {
  const belfry = createBelfry({ client, ...options });
  onTestFinished(() => belfry.close());
  return belfry;
}

const shipped = (user: string): NotifyCommand => ({
  user,
  type: "new_login",
  title: "Shipped",
  data: { order: 7 },
});

async function stored(user: string) {
  const deliveries = await deliveriesOf(db).find({ user }).sort({ _id: 1 }).toArray();
  const counted = await bucketsOf(db)
    .find({ _id: { $ne: sinceId } })
    .toArray();
  return {
    items: [(await usersOf(db).findOne({ _id: user }))?.notifications ?? []].flat().map((one) => one.id),
    deliveries: deliveries.map((one) => one.notification.toHexString()),
    states: deliveries.map((one) => one.state),
    counted: counted.reduce((sum, one) => sum + (one.accepted.email ?? 0), 0),
  };
}
async function endTransactionsOf(appName: string): Promise<void> {
  const admin = client.db("admin");
  const open = await admin
    .aggregate([{ $currentOp: { idleSessions: true } }, { $match: { type: "idleSession", appName } }])
    .toArray();
  if (open.length > 0) await admin.command({ killSessions: open.map(({ lsid }) => ({ id: lsid.id })) });
}

const nothing = { items: [], deliveries: [], states: [], counted: 0 };
const exactlyOnce = (id: string) => ({ items: [id], deliveries: [id], states: ["pending"], counted: 1 });

describe("notify", () => {
  test("stores a notification that a service then shows and sends", async () => {
    const belfry = open({ newUser: { email: "ann@receiver.example" } });
    const { id } = await belfry.notify(shipped("ann"));
    expect(await stored("ann")).toEqual(exactlyOnce(id));
    expect((await usersOf(db).findOne({ _id: "ann" }))?.email).toBe("ann@receiver.example");
    const { url } = await startService({ DB_URI: uri });
    await eventually(
      async () => (await call(url, "GET", "/v1/deliveries?user_id=ann&status=sent")).body.data.length === 1,
      "the service to send it",
    );
  });

  test("stores 100 concurrent notifications from two libraries and a service exactly once, and the ledger balances", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const libraries = [open(), open()];
    const users = ["ann", "bob", "cid"];
    const ids = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const user = users[n % 3] as string;
        if (n % 4 < 2) return (await (libraries[n % 2] as Belfry).notify(shipped(user))).id;
        if (n % 4 === 2) {
          const body = { title: "x", description: null, receiver_user_id: user, identifier: "MESSAGE" };
          expect((await call(url, "POST", "/notification", body)).status).toBe(201);
          return undefined;
        }
        return client.withSession((session) =>
          session.withTransaction(async () => {
            const { id } = await (libraries[n % 2] as Belfry).notify(shipped(user), { session });
            return id;
          }),
        );
      }),
    );
    const kept = (await usersOf(db).find().toArray()).flatMap((one) => one.notifications ?? []);
    expect(kept).toHaveLength(100);
    expect(new Set(kept.map((one) => one.id)).size).toBe(100);
    const mine = ids.filter((id) => id !== undefined);
    expect(
      kept
        .filter((one) => one.key === "new_login")
        .map((one) => one.id)
        .sort(),
    ).toEqual(mine.sort());
    const { body } = await call(url, "GET", "/v1/ledger");
    expect(body).toMatchObject({ balanced: true, total: { accepted: 75, pending: 75 } });
  });

  test("accepts the program's own types", async () => {
    const types = { shipped: { inbox: true, channels: { sms: {} } } };
    const belfry = open({ types });
    await belfry.notify({ user: "ann", type: "shipped" });
    expect((await deliveriesOf(db).findOne({ user: "ann" }))?.channel).toBe("sms");
    expect(() => open({ types: { shipped: { inbox: "yes", channels: {} } } as never })).toThrow(
      /types: \/shipped\/inbox/,
    );
  });

  const bad: Array<[string, object, string]> = [
    ["no user", { type: "new_login" }, "/user"],
    ["an empty user", { user: "", type: "new_login" }, "/user"],
    ["a user of 129 characters", { user: "u".repeat(129), type: "new_login" }, "/user"],
    ["half a surrogate pair", { user: "\ud800", type: "new_login" }, "/user"],
    ["a type that is not registered", { user: "ann", type: "new_loggin" }, "/type"],
    ["a field that is not one", { user: "ann", type: "new_login", target_id: "x" }, "/target_id"],
    ["a target that is no id", { user: "ann", type: "new_login", targetId: "x" }, "/targetId"],
    ["a channel that is none", { user: "ann", type: "new_login", channels: ["fax"] }, "/channels/0"],
    ["no channel", { user: "ann", type: "new_login", channels: [] }, "/channels"],
    ["data over 8 KiB", { user: "ann", type: "new_login", data: { a: "x".repeat(9_000) } }, "/data"],
    ["data that is a list", { user: "ann", type: "new_login", data: [1] }, "/data"],
  ];
  test.each(bad)("refuses %s and names its place", async (_name, command, pointer) => {
    const refusal = open().notify(command as NotifyCommand);
    await expect(refusal).rejects.toMatchObject({
      name: "BelfryError",
      code: "invalid_request",
      details: [{ pointer }],
    });
    expect(await usersOf(db).countDocuments()).toBe(0);
  });

  test("stores data as JSON and refuses values that JSON cannot represent", async () => {
    const belfry = open();
    const at = new Date(0);
    const data = { at, gone: undefined, "a.b": "$email", $set: { valueOf: [{ a: 1 }] }, id: new ObjectId() };
    await belfry.notify({ user: "ann", type: "new_message", data });
    const item = (await usersOf(db).findOne({ _id: "ann" }, { fieldsAsRaw: Object.create(null) }))
      ?.notifications?.[0];
    expect(item?.data).toEqual({
      at: at.toISOString(),
      "a.b": "$email",
      $set: { valueOf: [{ a: 1 }] },
      id: data.id.toHexString(),
    });
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    for (const wrong of [{ n: Number.NaN }, { n: 1n }, loop, JSON.parse('{"__proto__": {}}')])
      await expect(belfry.notify({ user: "ann", type: "new_message", data: wrong })).rejects.toMatchObject({
        code: "invalid_request",
      });
  });

  test("works whatever read and write options the program's client has", async () => {
    const odd = new MongoClient(uri, {
      w: 1,
      readPreference: "secondary",
      promoteValues: false,
      promoteLongs: false,
      bsonRegExp: true,
      ignoreUndefined: true,
      raw: true,
      forceServerObjectId: true,
    });
    onTestFinished(() => odd.close());
    const belfry = open({ client: odd });
    const { id } = await belfry.notify({ ...shipped("ann"), data: { valueOf: [{ a: 1 }] } });
    expect(await stored("ann")).toEqual(exactlyOnce(id));
    const { items, ...standing } = await belfry.inbox.list({ user: "ann" });
    expect(standing).toEqual({ rev: expect.any(Number), unread: 1, unseen: 1, total: 1 });
    expect(items).toMatchObject([{ id, rev: standing.rev, title: "Shipped", data: { valueOf: [{ a: 1 }] } }]);
  });

  test("refuses unknown settings and names them", () => {
    const wrong: Array<[object, string]> = [
      [{ inboxLimit: 1_001 }, "/inboxLimit"],
      [{ inboxLimit: "100" }, "/inboxLimit"],
      [{ retentionDays: 0 }, "/retentionDays"],
      [{ database: "a.b" }, "/database"],
      [{ inboxlimit: 10 }, "/inboxlimit"],
      [{ newUser: { phone: "12" } }, "/newUser/phone"],
    ];
    for (const [options, pointer] of wrong)
      expect(() => open(options), pointer).toThrow(
        expect.objectContaining({ code: "invalid_request", details: [expect.objectContaining({ pointer })] }),
      );
    expect(() => open({ newUser: { email: "ann" } })).toThrow(/an address without a name/);
  });

  test("a client without write privileges does not fail as user_document_conflict", async () => {
    const own = new MongoClient(uri, { appName: "shop" });
    onTestFinished(() => own.close());
    const belfry = open({ client: own });
    await belfry.ready();
    const heal = await failCommands(client, "alwaysOn", {
      failCommands: ["bulkWrite", "update"],
      errorCode: 13,
      appName: "shop",
    });
    onTestFinished(heal);
    for (const type of ["new_message", "new_login"])
      await expect(belfry.notify({ user: "ann", type }), type).rejects.toMatchObject({
        code: "internal",
        cause: { code: 13 },
      });
  });

  test("explains an invalid client and calls after close", async () => {
    expect(() => createBelfry({ client: {} as MongoClient })).toThrow(/not a MongoClient/);
    const belfry = open();
    const under = belfry.notify(shipped("ann"));
    await under;
    await belfry.close();
    await expect(belfry.notify(shipped("ann"))).rejects.toThrow(/closed/);
    // The client belongs to the program and stays open.
    expect(await usersOf(db).countDocuments()).toBe(1);
  });
});

describe("inbox", () => {
  test("a change returns the item with rev and counts, and a service sees it", async () => {
    const belfry = open();
    const ids: string[] = [];
    for (const n of [1, 2, 3])
      ids.push((await belfry.notify({ user: "ann", type: "new_message", title: `No. ${n}` })).id);
    const [first, second, third] = ids as [string, string, string];
    const all = await belfry.inbox.list({ user: "ann" });
    expect(all).toMatchObject({ unread: 3, unseen: 3, total: 3 });
    expect(all.items.map(({ id, title, read }) => [id, title, read])).toEqual([
      [third, "No. 3", false],
      [second, "No. 2", false],
      [first, "No. 1", false],
    ]);
    const page = await belfry.inbox.list({ user: "ann", limit: 2 });
    const rest = await belfry.inbox.list({
      user: "ann",
      limit: 2,
      after: page.next as { created_rev: number; id: string },
    });
    expect([rest.items.map((one) => one.id), rest.next]).toEqual([[first], undefined]);

    expect(await belfry.inbox.read("ann", first)).toMatchObject({
      unread: 2,
      item: { id: first, read: true },
    });
    expect(await belfry.inbox.unread("ann", first)).toMatchObject({ unread: 3, item: { read: false } });
    expect(await belfry.inbox.archive("ann", first)).toMatchObject({ unread: 2, item: { archived: true } });
    const listed = async (archived: boolean | "any") =>
      (await belfry.inbox.list({ user: "ann", archived })).items.length;
    expect([await listed(false), await listed(true), await listed("any")]).toEqual([2, 1, 3]);
    expect(await belfry.inbox.unarchive("ann", first)).toMatchObject({
      item: { archived: false, read: true },
    });
    expect(await belfry.inbox.seen("ann", page.items.at(-1)?.created_rev)).toMatchObject({
      unread: 2,
      unseen: 1,
    });
    expect(await belfry.inbox.remove("ann", second)).toMatchObject({ unread: 1, unseen: 1, total: 2 });
    expect(await belfry.inbox.readAll("ann")).toMatchObject({ unread: 0, unseen: 0, total: 2, changed: 1 });
    const { item, ...standing } = await belfry.inbox.get("ann", third.toUpperCase());
    expect(item).toMatchObject({ id: third, type: "new_message", title: "No. 3", read: true });

    const { url } = await startService({ DB_URI: uri });
    const { body } = await call(url, "GET", "/v1/users/ann/inbox?archived=any");
    expect(body).toMatchObject({ ...standing, items: [item, { id: first }] });
  });

  test("is empty for an unknown user, rejects an unknown item with not_found, and refuses an invalid id", async () => {
    const { inbox } = open();
    expect(await inbox.list({ user: "nobody" })).toEqual({
      rev: 0,
      unread: 0,
      unseen: 0,
      total: 0,
      items: [],
    });
    await expect(inbox.read("nobody", "0".repeat(24))).rejects.toMatchObject({ code: "not_found" });
    for (const refusal of [
      inbox.get("", "0".repeat(24)),
      inbox.get("ann", ""),
      inbox.remove("ann", { $ne: null } as never),
      inbox.readAll("ann", -1),
      inbox.seen("ann", -1),
      inbox.list({ user: "ann", limit: 1_001 }),
      inbox.list({ user: "ann", archived: "both" as never }),
    ])
      await expect(refusal).rejects.toMatchObject({ code: "invalid_request", details: [{}] });
  });
});

describe("notify within the program's transaction", () => {
  const inTransaction = <T>(work: (session: ClientSession) => Promise<T>) =>
    client.withSession((session) => session.withTransaction(() => work(session)));

  test("commits or aborts together: after an abort there is no item, no delivery and no count", async () => {
    const belfry = open();
    await belfry.ready();
    const change = new Error("the shop has changed its mind");
    await expect(
      inTransaction(async (session) => {
        await orders.insertOne({ _id: "7", state: "shipped" }, { session });
        await belfry.notify(shipped("ann"), { session });
        throw change;
      }),
    ).rejects.toBe(change);
    expect(await stored("ann")).toEqual(nothing);
    expect(await usersOf(db).countDocuments()).toBe(0);
    expect(await orders.countDocuments()).toBe(0);

    const { id } = await inTransaction(async (session) => {
      await orders.insertOne({ _id: "7", state: "shipped" }, { session });
      const made = await belfry.notify(shipped("ann"), { session });
      // Not visible to others yet.
      expect(await stored("ann")).toEqual(nothing);
      return made;
    });
    expect(await stored("ann")).toEqual(exactlyOnce(id));
    expect(await orders.countDocuments()).toBe(1);
  });

  test("stores several users' notifications in one transaction, and in two concurrent ones", async () => {
    const belfry = open();
    await belfry.ready();
    const transaction = (users: string[]) =>
      inTransaction(async (session) => {
        for (const user of users) await belfry.notify(shipped(user), { session });
      });
    await Promise.all([transaction(["ann", "ann", "bob"]), transaction(["cid", "dan"])]);
    expect(await deliveriesOf(db).countDocuments()).toBe(5);
    const ann = await stored("ann");
    expect([ann.items.length, ann.counted]).toEqual([2, 5]);
  });

  test("retries and stores exactly once when another process creates the user meanwhile", async () => {
    const belfry = open();
    await belfry.ready();
    let rounds = 0;
    const { id } = await inTransaction(async (session) => {
      // The transaction sees the database as it is now.
      await orders.insertOne({ _id: "7", state: "shipped" }, { session });
      if (rounds++ === 0) await belfry.notify({ user: "ann", type: "new_message" });
      return belfry.notify(shipped("ann"), { session });
    });
    expect(rounds).toBe(2);
    const found = await stored("ann");
    expect(found).toEqual({ ...exactlyOnce(id), items: [expect.any(String), id] });
    expect(await orders.countDocuments()).toBe(1);
  });

  test("stores each exactly once after a write conflict on the same user", async () => {
    const belfry = open();
    const first = await belfry.notify(shipped("ann"));
    let rounds = 0;
    const second = await inTransaction(async (session) => {
      await orders.insertOne({ _id: "7", state: "shipped" }, { session });
      if (rounds++ === 0) await belfry.notify({ user: "ann", type: "new_message" });
      return belfry.notify(shipped("ann"), { session });
    });
    expect(rounds).toBe(2);
    const found = await stored("ann");
    expect(found.items).toEqual([first.id, expect.any(String), second.id]);
    expect(found.deliveries).toEqual([first.id, second.id]);
    expect(found.counted).toBe(2);
  });

  test("stores exactly one when the primary steps down", async () => {
    // The driver may wait a whole heartbeat, by default 10 s, before it finds the primary again.
    const own = new MongoClient(uri, { appName: "shop", heartbeatFrequencyMS: 500 });
    onTestFinished(() => own.close());
    const belfry = open({ client: own });
    await belfry.ready();
    for (const commands of [["bulkWrite"], ["update"], ["commitTransaction"]]) {
      const heal = await failCommands(
        client,
        { times: 1 },
        { failCommands: commands, errorCode: 91, appName: "shop" },
      );
      try {
        const { id } = await own.withSession((session) =>
          session.withTransaction(() => belfry.notify(shipped(commands.join()), { session })),
        );
        const { items, deliveries } = await stored(commands.join());
        expect([items, deliveries]).toEqual([[id], [id]]);
      } finally {
        await heal();
      }
    }
    expect((await stored("")).counted).toBe(3);
  });

  test("rejects with user_document_conflict and aborts when the document cannot take a notification", async () => {
    const belfry = open();
    await belfry.ready();
    await db.collection<{ _id: string }>("users").insertOne({ _id: "ann", notifications: "none" } as never);
    await expect(
      inTransaction(async (session) => {
        await orders.insertOne({ _id: "7", state: "shipped" }, { session });
        await belfry.notify(shipped("ann"), { session });
      }),
    ).rejects.toMatchObject({ code: "user_document_conflict" });
    expect(await orders.countDocuments()).toBe(0);
    expect(await deliveriesOf(db).countDocuments()).toBe(0);
  });

  test("passes the driver's other errors on to the transaction's owner", async () => {
    const own = new MongoClient(uri, { appName: "shop" });
    onTestFinished(() => own.close());
    const belfry = open({ client: own });
    await belfry.ready();
    const notAuthorized = 13;
    for (const command of ["bulkWrite", "update"]) {
      const heal = await failCommands(
        client,
        { times: 1 },
        { failCommands: [command], errorCode: notAuthorized, appName: "shop" },
      );
      const shipping = own.withSession((session) =>
        session.withTransaction(() => belfry.notify(shipped("ann"), { session })),
      );
      await expect(shipping.finally(heal), command).rejects.toMatchObject({
        name: "MongoServerError",
        code: notAuthorized,
      });
    }
    expect(await stored("ann")).toEqual(nothing);
  });

  test("is refused on a server without transactions, and explains what is needed", async () => {
    const standalone = await startStandalone();
    onTestFinished(() => standalone.close());
    const own = new MongoClient(standalone.uri);
    onTestFinished(() => own.close());
    const belfry = createBelfry({ client: own });
    onTestFinished(() => belfry.close());
    const shipping = own.withSession((session) =>
      session.withTransaction(() => belfry.notify(shipped("ann"), { session })),
    );
    await expect(shipping).rejects.toMatchObject({ code: "invalid_request", message: /replica set/ });
    expect((await belfry.inbox.list({ user: "ann" })).total).toBe(0);
  });

  test("creates the collections, then stores, when the first call is in a transaction that locks users", async () => {
    // The shop's own database, without Belfry's indexes.
    await db.collection<{ _id: string }>("users").insertOne({ _id: "ann" });
    await db.createCollection("orders");
    const belfry = open();
    const { id } = await inTransaction(async (session) => {
      await usersOf(db).updateOne({ _id: "ann" }, { $set: { email: "ann@x.example" } }, { session });
      return belfry.notify(shipped("ann"), { session });
    });
    expect(await stored("ann")).toEqual(exactlyOnce(id));
  });

  test("refuses a session without a transaction, of another client, or ended", async () => {
    const belfry = open();
    const other = new MongoClient(uri);
    onTestFinished(() => other.close());
    await client.withSession(async (session) => {
      await expect(belfry.notify(shipped("ann"), { session })).rejects.toMatchObject({
        code: "invalid_request",
      });
    });
    await other.withSession(async (session) => {
      session.startTransaction();
      await expect(belfry.notify(shipped("ann"), { session })).rejects.toMatchObject({
        code: "invalid_request",
        message: /same MongoClient/,
      });
    });
    expect(await stored("ann")).toEqual(nothing);
  });

  test("stores exactly one when the program is killed after its commit, and nothing when killed before it", async () => {
    await open().ready();
    await db.createCollection("orders");
    const child = (moment: string) => {
      const program = fileURLToPath(new URL("./support/library-child.mjs", import.meta.url));
      return spawn(process.execPath, [program, uri, moment], { stdio: ["ignore", "pipe", "inherit"] });
    };
    for (const moment of ["before", "after"]) {
      const shop = child(moment);
      const [line] = await once(shop.stdout, "data");
      shop.kill("SIGKILL");
      await once(shop, "exit");
      const id = String(line).trim();
      // The server would keep the dead process's transaction, and its locks, for a minute.
      await endTransactionsOf("shop-that-dies");
      const expected = moment === "after" ? exactlyOnce(id) : nothing;
      expect(await stored("ann")).toEqual(expected);
      expect(await orders.countDocuments()).toBe(moment === "after" ? 1 : 0);
    }
  });
});
