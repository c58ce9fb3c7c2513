import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createBelfry } from "../src/library.ts";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { createTestBelfry } from "../src/testing.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";

const { uri, client, db } = freshDatabase();
const newUser = { email: "someone@users.example" };
const types = {
  order: { inbox: true, channels: { email: { after: "15m" }, sms: {} } },
  mail: { inbox: false, channels: { email: {} } },
};

const open = await createTestBelfry({ client, newUser, types });
/** Another program: what it sends waits for the next `flush`. */
const program = createBelfry({ client, newUser, types, clock: open.clock });
afterAll(async () => {
  await program.close();
  await open.close();
});

const resultsOf = ({ users }: Awaited<ReturnType<typeof program.recall>>) =>
  users.map(({ user_id, receipts }) => [
    user_id,
    ...receipts.map(({ channel, result }) => `${channel} ${result}`).sort(),
  ]);

describe("a recall", () => {
  test("that races the claim 1,000 times tells what the provider's log says", async () => {
    const counts: Record<string, number> = {};
    for (let round = 0; round < 20; round++) {
      const made = await Promise.all(
        Array.from({ length: 50 }, async (_, n) => {
          const user = `racer-${round}-${n}`;
          return { user, ...(await program.notify({ user, type: "mail" })) };
        }),
      );
      const flushing = open.flush();
      const answers = await Promise.all(
        made.map(async ({ user, id }) => {
          await pause(Math.random() * 60);
          return { user, id, answer: await program.recall({ id, user }) };
        }),
      );
      await flushing;
      const sentTo = new Set(open.captured().map((one) => one.user));
      for (const { user, id, answer } of answers) {
        const [receipt] = answer.users[0]?.receipts ?? [];
        expect(receipt, user).toMatchObject({ notification_id: id, channel: "email" });
        const result = receipt?.result as string;
        counts[result] = (counts[result] ?? 0) + 1;
        if (result === "stopped") expect(sentTo, user).not.toContain(user);
        else expect(sentTo, `${user} ${result}`).toContain(user);
      }
      const again = await Promise.all(answers.map(({ user, id }) => program.recall({ id, user })));
      for (const [at, { users }] of again.entries()) {
        const first = answers[at]?.answer.users[0]?.receipts[0]?.result;
        expect(users[0]?.receipts[0]?.result).toBe(first === "stopped" ? "stopped" : "too_late");
      }
      open.clear();
    }
    const { stopped = 0, in_flight = 0, too_late = 0, ...others } = counts;
    expect(others).toEqual({});
    expect(stopped + in_flight + too_late).toBe(1_000);
    expect(stopped, JSON.stringify(counts)).toBeGreaterThan(0);
    expect(in_flight + too_late, JSON.stringify(counts)).toBeGreaterThan(0);
  });

  test("takes the item out of the inbox, stops what waits, and tells what was sent and when", async () => {
    const { id } = await open.notify({
      user: "maria",
      type: "order",
      key: "order-7",
      channels: ["inbox", "sms"],
    });
    await open.notify({ user: "maria", type: "order", key: "order-7", channels: ["inbox", "email"] });
    await open.notify({ user: "maria", type: "order", title: "Another", channels: ["inbox"] });
    const at = new Date(open.clock.now()).toISOString();
    await open.advance("1m");
    const answer = await open.recall({ user: "maria", key: "order-7" });
    expect(resultsOf(answer)).toEqual([
      ["maria", "email stopped", "inbox withdrawn", "inbox withdrawn", "sms nothing"],
    ]);
    expect(answer.users[0]?.receipts.find(({ channel }) => channel === "sms")?.notification_id).toBe(id);
    expect(await open.inbox.list({ user: "maria" })).toMatchObject({ total: 1, unread: 1, unseen: 1 });
    expect(resultsOf(await open.recall({ user: "maria", key: "order-7" }))).toEqual(resultsOf(answer));

    const mail = await open.notify({ user: "paul", type: "mail" });
    await open.advance("1m");
    expect(await open.recall({ id: mail.id })).toMatchObject({
      users: [
        {
          user_id: "paul",
          receipts: [{ channel: "email", result: "too_late", sent_at: expect.any(String) }],
        },
      ],
    });
    expect(Date.parse(at)).toBeLessThan(open.clock.now());
    await open.advance("1d");
    open.nothingSent("maria");
  });

  test("finds nothing of an unknown id, of another user, and of an erased user", async () => {
    const { id } = await program.notify({ user: "gone", type: "order", key: "order-8" });
    expect(await program.recall({ id, user: "somebody" })).toEqual({
      users: [{ user_id: "somebody", receipts: [] }],
    });
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    expect((await call(url, "DELETE", "/v1/users/gone")).status).toBe(204);
    expect(await program.recall({ id })).toEqual({ users: [] });
    expect(await program.recall({ id: "0".repeat(24) })).toEqual({ users: [] });
    expect(await program.recall({ key: "order-8", user: "gone" })).toEqual({
      users: [{ user_id: "gone", receipts: [] }],
    });
    expect((await deliveriesOf(db).findOne({ user: "" }))?.state).toBe("canceled");
  });

  test("of one key for a thousand users answers each of them", async () => {
    const users = Array.from({ length: 1_000 }, (_, n) => `many-${n}`);
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const body = { recipients: users, type: "new_message", key: "sale" };
    expect((await call(url, "POST", "/v1/notifications", body)).status).toBe(201);
    const { status, body: answer } = await call(url, "POST", "/v1/notifications/recall", {
      key: "sale",
      user_ids: users,
    });
    expect(status).toBe(200);
    expect(resultsOf(answer)).toEqual(users.map((user) => [user, "inbox withdrawn"]));
  });

  test("by one instance is live on the other's connections, and the story tells of it", async () => {
    const [one, other] = await Promise.all([
      startService({ DB_URI: uri, ROLES: "api" }),
      startService({ DB_URI: uri, ROLES: "api,realtime" }),
    ]);
    const sent = await call(one.url, "POST", "/v1/notifications", {
      recipients: ["lena"],
      type: "new_login",
      key: "login",
    });
    const { id } = sent.body.notifications[0];
    const before = (await call(other.url, "GET", "/v1/users/lena/inbox")).body;
    const live = new WebSocket(`${other.url.replace("http", "ws")}/v1/users/lena/live?rev=${before.rev}`);
    const messages: Array<{ type: string; changes?: object[]; unread?: number }> = [];
    live.on("message", (data) => messages.push(JSON.parse(String(data))));
    await eventually(() => messages.length > 0, "the state");

    const { body } = await call(one.url, "POST", "/v1/notifications/recall", { id });
    expect(body.users).toMatchObject([
      {
        user_id: "lena",
        receipts: [
          { notification_id: id, channel: "email", result: "stopped" },
          { notification_id: id, channel: "inbox", result: "withdrawn" },
        ],
      },
    ]);
    await eventually(() => messages.length > 1, "the change");
    live.close();
    expect(messages[1]).toMatchObject({
      type: "changes",
      unread: 0,
      total: 0,
      changes: [{ change: "deleted", id }],
    });

    const story = (await call(other.url, "GET", `/v1/notifications/${id}`)).body;
    expect(
      story.events.map(({ channel, text }: { channel?: string; text: string }) => `${channel}: ${text}`),
    ).toEqual([
      "undefined: accepted and stored",
      "inbox: taken back by the caller",
      "email: taken back by the caller",
      "email: recalled",
    ]);
    expect(story.deliveries[0]).toMatchObject({
      status: "recalled",
      key: "login",
      recalled_at: expect.any(String),
    });
    const retry = await call(other.url, "POST", `/v1/deliveries/${story.deliveries[0].id}/retry`);
    expect(retry.status).toBe(409);
    expect(retry.body.detail).toMatch(/its caller has taken it back/);
    const ledger = (await call(other.url, "GET", "/v1/ledger")).body;
    expect(ledger.channels?.email ?? ledger).toBeDefined();
  });

  test("of an item without deliveries still has a story", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const sent = await call(url, "POST", "/v1/notifications", { recipients: ["ida"], type: "new_message" });
    const { id } = sent.body.notifications[0];
    await call(url, "POST", "/v1/notifications/recall", { id, user_id: "ida" });
    const { body } = await call(url, "GET", `/v1/notifications/${id}?user_id=ida`);
    expect(body).toMatchObject({ user_id: "ida", type: "new_message", deliveries: [] });
    expect(body.events.at(-1)).toMatchObject({ channel: "inbox", text: "taken back by the caller" });
  });
});

describe("bad input", () => {
  const id = "0".repeat(24);
  const wrong: Array<[string, object, string[]]> = [
    ["neither id nor key", {}, ["/id"]],
    ["both", { id, key: "a", user_id: "alex" }, ["/key"]],
    ["a key without a user", { key: "a" }, ["/user_id"]],
    ["one user and several", { id, user_id: "alex", user_ids: ["bob"] }, ["/user_ids"]],
    ["a user twice", { id, user_ids: ["alex", "bob", "alex"] }, ["/user_ids/2"]],
    ["too many users", { id, user_ids: Array.from({ length: 1_001 }, (_, n) => `u${n}`) }, ["/user_ids"]],
    ["no users", { id, user_ids: [] }, ["/user_ids"]],
    ["an id of another form", { id: "17", user_id: "\u0000" }, ["/id", "/user_id"]],
    ["an invisible key", { key: " ", user_id: "alex" }, ["/key"]],
    ["a key of 129 characters", { key: "k".repeat(129), user_id: "alex" }, ["/key"]],
    ["an unknown field", { id, users: ["alex"] }, ["/users"]],
  ];

  test("is refused with a pointer to each problem, and nothing is taken back", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    await program.notify({ user: "alex", type: "order", key: "a" });
    for (const [what, body, pointers] of wrong) {
      const answer = await call(url, "POST", "/v1/notifications/recall", body);
      expect(answer.status, what).toBe(400);
      expect(
        answer.body.errors.map((one: { pointer: string }) => one.pointer),
        what,
      ).toEqual(pointers);
    }
    expect((await call(url, "GET", "/v1/users/alex/inbox")).body.total).toBe(1);
    const sent = await call(url, "POST", "/v1/notifications", {
      recipients: ["alex"],
      type: "new_message",
      key: "k".repeat(129),
    });
    expect(sent.body.errors).toMatchObject([{ pointer: "/key" }]);
  });

  test("of the library has its own field names", async () => {
    const given = { key: "a" } as unknown as { id: string };
    await expect(program.recall(given)).rejects.toMatchObject({
      code: "invalid_request",
      details: [{ pointer: "/user" }],
    });
  });
});
