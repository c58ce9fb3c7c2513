import { ObjectId } from "mongodb";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createBelfry } from "../src/library.ts";
import { createClaims } from "../src/store/claims.ts";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { usersOf } from "../src/store/inbox.ts";
import { createTestBelfry } from "../src/testing.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { startService } from "./support/service.ts";

const { uri, client, db } = freshDatabase();
const newUser = { email: "someone@users.example" };
const types = {
  order: { inbox: true, channels: { email: { after: "15m" }, sms: {} } },
  mail: { inbox: false, channels: { email: { subject: "{{ title }}" } } },
};
const open = await createTestBelfry({ client, newUser, types });
/** Another program: what it sends waits for the next `flush`. */
const program = createBelfry({ client, newUser, types, clock: open.clock });
const deliveries = deliveriesOf(db);
afterAll(async () => {
  await program.close();
  await open.close();
});

let user = "";
let users = 0;
beforeEach(() => {
  user = `reader-${users++}`;
});
const titles = async (whose = user) =>
  (await program.inbox.list({ user: whose })).items.map(({ title, read }) => `${title}${read ? "" : " *"}`);

describe("a notification that replaces another", () => {
  test("has its id, its place becomes the first, and it is unread and unseen again", async () => {
    const { id } = await program.notify({ user, type: "order", title: "Packed", key: "order-1" });
    await program.notify({ user, type: "order", title: "Another" });
    await program.inbox.archive(user, id);
    await program.inbox.seen(user);
    await open.advance("1m");
    const before = await program.inbox.get(user, id);

    expect(
      await program.notify({
        user,
        type: "order",
        title: "Shipped",
        data: { n: 2 },
        key: "order-1",
        replace: true,
      }),
    ).toEqual({ id, replaced: true });
    expect(await titles()).toEqual(["Shipped *", "Another *"]);
    const { item, ...state } = await program.inbox.get(user, id);
    expect(item).toMatchObject({ id, archived: false, read: false, data: { n: 2 }, rev: state.rev });
    expect(item.created_rev).toBe(item.rev);
    expect(state).toMatchObject({ rev: before.rev + 1, total: 2, unread: 2, unseen: 1 });
    const [stored] = (await usersOf(db).findOne({ _id: user }))?.notifications?.slice(-1) ?? [];
    expect(stored).not.toHaveProperty("changed");
  });

  test("gives a waiting delivery its content, at the old time", async () => {
    const { id } = await open.notify({
      user,
      type: "mail",
      title: "Old",
      key: "k",
      channels: { email: { after: "15m" } },
    });
    await open.advance("10m");
    expect(await open.notify({ user, type: "mail", title: "New", key: "k", replace: true })).toEqual({
      id,
      replaced: true,
    });
    open.nothingSent(user);
    await open.advance("5m");
    expect(open.sentTo(user).map(({ subject, notification }) => [subject, notification])).toEqual([
      ["New", id],
    ]);
  });

  test("is sent where the earlier one was sent, and its story has both deliveries", async () => {
    const { id } = await open.notify({ user, type: "mail", title: "Old", key: "k" });
    await open.notify({ user, type: "mail", title: "New", key: "k", replace: true });
    await open.notify({ user, type: "mail", title: "Newest", key: "k", replace: true });
    expect(open.sentTo(user).map(({ subject, notification }) => [subject, notification])).toEqual([
      ["Old", id],
      ["New", id],
      ["Newest", id],
    ]);
    expect(await deliveries.countDocuments({ user, notification: new ObjectId(id), state: "sent" })).toBe(3);
    expect((await program.recall({ user, key: "k" })).users[0]?.receipts).toMatchObject([
      { result: "too_late" },
      { result: "too_late" },
      { result: "too_late" },
    ]);
  });

  test("of one that is being sent is sent after it, and a failed try of the old one is the last", async () => {
    const { id } = await program.notify({ user, type: "mail", title: "Old", key: "k" });
    const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
    const now = open.clock.now();
    const [held] = await claims.claim(1, { token: new ObjectId().toHexString(), until: now + 60_000 }, now);
    if (!held) throw new Error("nothing to claim");
    expect(await program.notify({ user, type: "mail", title: "New", key: "k", replace: true })).toEqual({
      id,
      replaced: true,
    });
    await claims.settle([{ delivery: held, attempts: [], state: "pending", tries: 1, due: now }], now);
    await open.flush();
    expect(open.sentTo(user).map(({ subject }) => subject)).toEqual(["New"]);
    expect((await deliveries.find({ user }).sort({ _id: 1 }).toArray()).map(({ state }) => state)).toEqual([
      "recalled",
      "sent",
    ]);
  });

  test("is an ordinary one when there is none, it was recalled, or it has another key", async () => {
    const first = await program.notify({ user, type: "order", title: "One", key: "a", replace: true });
    expect(first).toEqual({ id: expect.any(String) });
    const second = await program.notify({ user, type: "order", title: "Two", key: "b", replace: true });
    expect(second).toEqual({ id: expect.any(String) });
    await program.recall({ user, key: "a" });
    const third = await program.notify({ user, type: "order", title: "Three", key: "a", replace: true });
    expect(third.id).not.toBe(first.id);
    expect(third).not.toHaveProperty("replaced");
    expect(await titles()).toEqual(["Three *", "Two *"]);
  });

  test("replaces the newest of several with its key", async () => {
    await program.notify({ user, type: "order", title: "One", key: "a" });
    await open.advance("2s");
    await program.notify({ user, type: "order", title: "Two", key: "a" });
    await program.notify({ user, type: "order", title: "Three", key: "a", replace: true });
    expect(await titles()).toEqual(["Three *", "One *"]);
  });

  test("and one that is sent at the same moment by another instance leave one item and one mail", async () => {
    const [one, other] = await Promise.all([0, 1].map(() => startService({ DB_URI: uri, ROLES: "api" })));
    for (let n = 0; n < 25; n++) {
      const name = `${user}-${n}`;
      const body = (title: string) => ({
        recipients: [name],
        type: "new_login",
        title,
        key: "login",
        replace: true,
      });
      const answers = await Promise.all([
        call(one?.url as string, "POST", "/v1/notifications", body("A")),
        call(other?.url as string, "POST", "/v1/notifications", body("B")),
        call(one?.url as string, "POST", "/v1/notifications", body("C")),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
      const ids = new Set(answers.map((answer) => answer.body.notifications[0].id));
      expect(ids.size).toBe(1);
      const replaced = answers.filter((answer) => answer.body.notifications[0].replaced);
      expect(replaced).toHaveLength(2);
      const listed = await titles(name);
      expect(listed).toHaveLength(1);
      const [mail, ...others] = await deliveries.find({ user: name }).toArray();
      expect(others).toEqual([]);
      expect(`${mail?.content.title} *`).toBe(listed[0]);
    }
  });

  test("answers a repeated request with the same id", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const send = (title: string, key: string) =>
      call(
        url,
        "POST",
        "/v1/notifications",
        { recipients: [user, `${user}-other`], type: "new_login", title, key: "k", replace: true },
        { "idempotency-key": key },
      );
    const first = await send("One", `${user}-1`);
    const second = await send("Two", `${user}-2`);
    expect(second.body.notifications).toEqual(
      first.body.notifications.map((one: object) => ({ ...one, replaced: true })),
    );
    await program.inbox.read(user, first.body.notifications[0].id);
    const again = await send("Two", `${user}-2`);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(second.body);
    expect(await titles()).toEqual(["Two"]);
    expect(await deliveries.countDocuments({ user })).toBe(1);
  });

  test("needs a key, and stores nothing without one", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const body = { recipients: [user], type: "new_message", replace: true };
    const { status, body: answer } = await call(url, "POST", "/v1/notifications", body);
    expect(status).toBe(400);
    expect(answer.errors).toMatchObject([{ pointer: "/key" }]);
    expect((await program.inbox.list({ user })).total).toBe(0);
    await client.withSession(async (session) => {
      await session.withTransaction(async () => {
        const given = { user, type: "order", key: "a", replace: true };
        await expect(program.notify(given, { session })).rejects.toMatchObject({ code: "invalid_request" });
      });
    });
  });
});
