import { ObjectId } from "mongodb";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { databaseName } from "../../src/store/connect.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { counted } from "../support/inbox.ts";
import { eventually, startService } from "../support/service.ts";
import { type SmtpSink, startSmtp } from "../support/smtp.ts";

// The inbox dialect as its clients know it: every line of the contract, over HTTP, on a real MongoDB and a real SMTP server.

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId; [field: string]: unknown }>("users");
const newUser = () => new ObjectId().toHexString();
/** With a `rev` that counts from 1. */
async function stored(user: string) {
  // biome-ignore lint/suspicious/noExplicitAny: the tests look at what lies in the database, whatever it is.
  const found = (await users.findOne({ _id: new ObjectId(user) })) as any;
  return counted(found, found?.removedBefore ?? 0);
}

const keys = ["registration", "new_message", "new_post", "new_login"];
const withMail = ["registration", "new_login"];
const withRecord = ["new_message", "new_post", "new_login"];

async function create(url: string, user: string, key = "new_message", more: object = {}) {
  const answer = await call(url, "POST", "/create", { user_id: user, key, ...more });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  expect(answer.body).toStrictEqual({ success: true });
}

async function list(url: string, user: string, query = "") {
  const answer = await call(url, "GET", `/list?user_id=${user}${query}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body.data;
}

const read = (url: string, user: string, id: string) =>
  call(url, "POST", `/read?user_id=${user}&notification_id=${id}`);

/** Creates `count` notifications one after the other, numbered from `first` in their data. */
async function createNumbered(url: string, user: string, count: number, first = 1) {
  for (let n = first; n < first + count; n++) await create(url, user, "new_message", { data: { n } });
}

const numbers = (items: Array<{ data?: { n?: number } }>) => items.map((item) => item.data?.n);
const countDown = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => from - i);

describe("the four keys", () => {
  test("registration and new_login send mail over SMTP, the other two send none", async () => {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: uri, ...smtp.variables, EMAIL: "reader@users.example" });
    const user = newUser();
    for (const key of keys) await create(app.url, user, key);
    await app.close();
    await smtp.close();
    // The close waits for sends under way, and what was not sent would lie in the database.
    const left = await db
      .collection("deliveries")
      .find({ user: new ObjectId(user), state: { $ne: "sent" } })
      .toArray();
    expect(smtp.mails.length + left.length).toBe(withMail.length);
    const again = left.length > 0 ? await sendTheRest(left.length) : [];
    const bodies = [...smtp.mails, ...again].map((mail) => textOf(mail.raw));
    for (const key of keys)
      expect(bodies.filter((body) => body.includes(key)).length, key).toBe(withMail.includes(key) ? 1 : 0);
  });

  test("without an SMTP server the same mails are captured and listed newest first", async () => {
    const app = await startService({ DB_URI: uri, EMAIL: "captured@users.example" });
    const user = newUser();
    const mine = async () => {
      const { body } = await call(app.url, "GET", "/v1/captured?limit=100");
      return body.data.filter((mail: { user_id: string }) => mail.user_id === user);
    };
    for (const [index, key] of [...withRecord, "registration"].entries()) {
      await create(app.url, user, key);
      const expected = [...withRecord, "registration"]
        .slice(0, index + 1)
        .filter((k) => withMail.includes(k));
      await eventually(async () => (await mine()).length === expected.length, `the mails of ${expected}`);
      expect((await mine()).map((mail: { subject: string }) => mail.subject)).toStrictEqual(
        expected.reverse().map((k) => (k === "new_login" ? "New login" : "Registration")),
      );
    }
    const [newest] = await mine();
    expect(newest).toStrictEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/),
      user_id: user,
      channel: "email",
      at: expect.any(Number),
      from: "Belfry <belfry@localhost>",
      to: "captured@users.example",
      subject: "Registration",
      text: expect.stringContaining("registration"),
      html: expect.stringContaining("Registration"),
    });
    expect(Math.abs(newest.at - Date.now())).toBeLessThan(60_000);
  });

  test("new_message, new_post and new_login add an inbox item, registration adds none", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    for (const key of keys) await create(app.url, user, key);
    const found = await stored(user);
    expect(found.notifications.map((item: { key: string }) => item.key)).toStrictEqual(withRecord);
    expect(found.rev).toBe(3);
    const lonely = newUser();
    await create(app.url, lonely, "registration");
    expect(await stored(lonely)).toStrictEqual({
      _id: new ObjectId(lonely),
      email: "newcomer@belfry.invalid",
      phone: "+12025550100",
    });
    expect(await list(app.url, lonely)).toMatchObject({ elements: 0, new: 0, list: [] });
  });

  /** Deliveries that were released at a stop are sent by the next service. */
  async function sendTheRest(count: number) {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: uri, ...smtp.variables });
    await eventually(() => smtp.mails.length >= count, "the mails that were given back");
    await app.close();
    await smtp.close();
    return smtp.mails;
  }
});

describe("the mail", () => {
  test("is from SMTP_NAME <SMTP_EMAIL>, goes to the user's own address and has the key in it", async () => {
    const smtp = await startSmtp();
    const app = await startService({
      DB_URI: uri,
      ...smtp.variables,
      SMTP_NAME: "Night Desk",
      SMTP_EMAIL: "desk@sender.example",
      EMAIL: "someone-else@users.example",
    });
    const user = newUser();
    await users.insertOne({ _id: new ObjectId(user), email: "own@users.example" });
    await create(app.url, user, "new_login");
    const mail = await firstMail(smtp);
    expect(headerOf(mail.raw, "From")).toBe("Night Desk <desk@sender.example>");
    expect(headerOf(mail.raw, "To")).toBe("own@users.example");
    expect(mail.to).toBe("own@users.example");
    expect(mail.subject).toBe("New login");
    expect(textOf(mail.raw)).toContain("new_login");
    await smtp.close();
  });

  test("is from SMTP_LOGIN when there is no SMTP_EMAIL", async () => {
    const logins: string[] = [];
    const smtp = await startSmtp({
      options: {
        authOptional: false,
        allowInsecureAuth: true,
        onAuth: (auth, _session, callback) => {
          logins.push(`${auth.username}:${auth.password}`);
          callback(null, { user: auth.username ?? "" });
        },
      },
    });
    const { SMTP_EMAIL: _, ...others } = smtp.variables;
    const app = await startService({
      DB_URI: uri,
      ...others,
      SMTP_LOGIN: "login@sender.example",
      SMTP_PASSWORD: "secret",
      EMAIL: "reader@users.example",
    });
    await create(app.url, newUser(), "registration");
    const mail = await firstMail(smtp);
    expect(headerOf(mail.raw, "From")).toBe("Belfry <login@sender.example>");
    expect(logins[0]).toBe("login@sender.example:secret");
    await smtp.close();
  });

  async function firstMail(smtp: SmtpSink) {
    await eventually(() => smtp.mails.length > 0, "a mail");
    return smtp.mails[0]!;
  }
});

describe("a user's first notification", () => {
  test("creates the user with EMAIL as address and RECEIVER_PHONE_NUMBER as phone", async () => {
    const app = await startService({
      DB_URI: uri,
      EMAIL: "first@users.example",
      RECEIVER_PHONE_NUMBER: "+15550100",
    });
    for (const key of ["new_message", "new_login", "registration"]) {
      const user = newUser();
      await create(app.url, user, key);
      expect(await stored(user), key).toMatchObject({ email: "first@users.example", phone: "+15550100" });
    }
  });

  test("adds no address to an existing user and changes none", async () => {
    const app = await startService({
      DB_URI: uri,
      EMAIL: "first@users.example",
      RECEIVER_PHONE_NUMBER: "+15550100",
    });
    const [nameOnly, own] = [newUser(), newUser()];
    await users.insertMany([
      { _id: new ObjectId(nameOnly), name: "Ada" },
      { _id: new ObjectId(own), email: "own@users.example", name: "Bo" },
    ]);
    for (const user of [nameOnly, own]) for (const key of keys) await create(app.url, user, key);
    const one = await stored(nameOnly);
    expect(Object.keys(one).sort()).toStrictEqual(["_id", "name", "notifications", "removedBefore", "rev"]);
    const two = await stored(own);
    expect(two).toMatchObject({ email: "own@users.example", name: "Bo" });
    expect(two).not.toHaveProperty("phone");
  });

  test("without EMAIL beside an SMTP server the item is stored and no mail is sent", async () => {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: uri, ...smtp.variables });
    const user = newUser();
    for (const key of keys) await create(app.url, user, key);
    expect((await stored(user)).notifications.length).toBe(3);
    await eventually(
      async () =>
        (await db.collection("deliveries").countDocuments({
          user: new ObjectId(user),
          state: "skipped",
          reason: "no_address",
        })) === 2,
      "both deliveries to be skipped for want of an address",
    );
    expect(smtp.mails).toStrictEqual([]);
    const known = newUser();
    await users.insertOne({ _id: new ObjectId(known), email: "known@users.example" });
    await create(app.url, known, "registration");
    await eventually(() => smtp.mails.length === 1, "the mail of a user that has an address");
    await smtp.close();
  });
});

describe("POST /create and GET /list", () => {
  test("a notification is stored with exactly the contract's fields, and rev", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    const before = Math.floor(Date.now() / 1000);
    const targetId = "0399ea67638f394d4b7243fc";
    const data = { some_field: "some_value" };
    await create(app.url, user, "new_message", { target_id: targetId, data });
    await create(app.url, user, "new_post");
    await create(app.url, user, "new_post", { data: {} });
    const { notifications, rev } = await stored(user);
    const common = { id: expect.stringMatching(/^[0-9a-f]{24}$/), timestamp: expect.any(Number) };
    expect(notifications).toStrictEqual([
      { ...common, is_new: true, user_id: user, key: "new_message", target_id: targetId, data, rev: 1 },
      { ...common, is_new: true, user_id: user, key: "new_post", rev: 2 },
      { ...common, is_new: true, user_id: user, key: "new_post", data: {}, rev: 3 },
    ]);
    expect(rev).toBe(3);
    for (const { timestamp } of notifications) {
      expect(Number.isInteger(timestamp)).toBe(true);
      expect(timestamp).toBeGreaterThanOrEqual(before - 5);
      expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000 + 5);
    }
    expect(new Set(notifications.map((item: { id: string }) => item.id)).size).toBe(3);
  });

  test("the list has exactly the contract's shape, without rev", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    const targetId = "0399ea67638f394d4b7243fc";
    await create(app.url, user, "new_login");
    await create(app.url, user, "new_message", { target_id: targetId, data: { some_field: "some_value" } });
    const { notifications } = await stored(user);
    const answer = await call(app.url, "GET", `/list?user_id=${user}&skip=0&limit=10`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.body).toStrictEqual({
      success: true,
      data: {
        elements: 2,
        new: 2,
        request: { user_id: user, skip: 0, limit: 10 },
        list: [
          {
            id: notifications[1].id,
            timestamp: notifications[1].timestamp,
            is_new: true,
            user_id: user,
            key: "new_message",
            target_id: targetId,
            data: { some_field: "some_value" },
          },
          {
            id: notifications[0].id,
            timestamp: notifications[0].timestamp,
            is_new: true,
            user_id: user,
            key: "new_login",
          },
        ],
      },
    });
  });

  test("the list is newest first, skip is 0 and limit 10 by default; limit is up to 1000, and 0 returns only counts", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    await createNumbered(app.url, user, 25);
    const page = async (query: string) => {
      const { elements, new: unread, request, list: items } = await list(app.url, user, query);
      expect({ elements, unread }).toStrictEqual({ elements: 25, unread: 25 });
      return { skip: request.skip, limit: request.limit, numbers: numbers(items) };
    };
    expect(await page("")).toStrictEqual({ skip: 0, limit: 10, numbers: countDown(25, 16) });
    expect(await page("&skip=3")).toStrictEqual({ skip: 3, limit: 10, numbers: countDown(22, 13) });
    expect(await page("&skip=2&limit=4")).toStrictEqual({ skip: 2, limit: 4, numbers: countDown(23, 20) });
    expect(await page("&skip=20")).toStrictEqual({ skip: 20, limit: 10, numbers: countDown(5, 1) });
    expect(await page("&skip=24&limit=1")).toStrictEqual({ skip: 24, limit: 1, numbers: [1] });
    expect(await page("&skip=25")).toStrictEqual({ skip: 25, limit: 10, numbers: [] });
    expect(await page("&skip=1000000")).toStrictEqual({ skip: 1_000_000, limit: 10, numbers: [] });
    expect(await page("&limit=0")).toStrictEqual({ skip: 0, limit: 0, numbers: [] });
    expect(await page("&skip=5&limit=0")).toStrictEqual({ skip: 5, limit: 0, numbers: [] });
    expect(await page("&limit=1000")).toStrictEqual({ skip: 0, limit: 1000, numbers: countDown(25, 1) });
  });

  test("an unknown user has zero counts and an empty list, and is not created", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    for (const [query, limit] of [
      ["", 10],
      ["&limit=0", 0],
    ] as const)
      expect(await list(app.url, user, query)).toStrictEqual({
        elements: 0,
        new: 0,
        request: { user_id: user, skip: 0, limit },
        list: [],
      });
    expect(await stored(user)).toBeNull();
  });

  test("a user_id in upper case is the same user", async () => {
    const app = await startService({ DB_URI: uri });
    const user = "638f394d4b7243fc0399ea67";
    await create(app.url, user.toUpperCase());
    await create(app.url, user);
    for (const written of [user, user.toUpperCase()]) {
      const view = await list(app.url, written);
      expect(view).toMatchObject({ elements: 2, new: 2, request: { user_id: written } });
      expect(view.list.map((item: { user_id: string }) => item.user_id)).toStrictEqual([user, user]);
    }
    const { notifications } = await stored(user);
    expect((await read(app.url, user.toUpperCase(), notifications[0].id.toUpperCase())).status).toBe(200);
    expect(await list(app.url, user)).toMatchObject({ elements: 2, new: 1 });
  });

  test("many lists at the same time each return their own user and page", async () => {
    const app = await startService({ DB_URI: uri });
    const counts = new Map(Array.from({ length: 12 }, (_, index) => [newUser(), index]));
    for (const [user, count] of counts) await createNumbered(app.url, user, count);
    const asked = Array.from({ length: 200 }, (_, i) => {
      const [user, count] = [...counts][i % counts.size] as [string, number];
      return { user: i % 3 ? user : user.toUpperCase(), count, skip: i % 4, limit: (i * 7) % 6 };
    });
    await Promise.all(
      asked.map(async ({ user, count, skip, limit }) => {
        const view = await list(app.url, user, `&skip=${skip}&limit=${limit}`);
        expect(view.request).toStrictEqual({ user_id: user, skip, limit });
        expect({ elements: view.elements, new: view.new }).toStrictEqual({ elements: count, new: count });
        expect(numbers(view.list)).toStrictEqual(countDown(count, 1).slice(skip, skip + limit));
      }),
    );
  });
});

describe("INBOX_LIMIT", () => {
  test("with 5 the newest five are shown, and items kept as slack are not", async () => {
    const app = await startService({ DB_URI: uri, INBOX_LIMIT: "5" });
    const user = newUser();
    let slackSeen = 0;
    for (let n = 1; n <= 40; n++) {
      await createNumbered(app.url, user, 1, n);
      const view = await list(app.url, user, "&limit=1000");
      expect(numbers(view.list)).toStrictEqual(countDown(n, Math.max(1, n - 4)));
      expect(view).toMatchObject({ elements: Math.min(n, 5), new: Math.min(n, 5) });
      expect(numbers((await list(app.url, user, "&skip=4&limit=1000")).list).length).toBe(n < 5 ? 0 : 1);
      const { notifications } = await stored(user);
      expect(notifications.length).toBeLessThanOrEqual(Math.ceil(5 * 1.25));
      if (notifications.length > 5) slackSeen++;
    }
    expect(slackSeen).toBeGreaterThan(0);
  });

  test("an item in the slack cannot be marked as read: 404, and nothing changes", async () => {
    const app = await startService({ DB_URI: uri, INBOX_LIMIT: "5" });
    const user = newUser();
    await createNumbered(app.url, user, 7);
    const before = await stored(user);
    expect(before.notifications.length).toBe(7);
    for (const hidden of before.notifications.slice(0, 2)) {
      const answer = await read(app.url, user, hidden.id);
      expect([answer.status, answer.body.error?.code]).toStrictEqual([404, "not_found"]);
    }
    expect(await stored(user)).toStrictEqual(before);
    expect((await read(app.url, user, before.notifications[2].id)).status).toBe(200);
    expect(await list(app.url, user)).toMatchObject({ elements: 5, new: 4 });
  });

  test("by default 300 creates at once leave exactly 100 items, and never more than 125 in the database", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    for (const burst of [60, 60, 60, 300]) {
      await Promise.all(Array.from({ length: burst }, () => create(app.url, user)));
      expect((await stored(user)).notifications.length).toBeLessThanOrEqual(125);
    }
    expect((await stored(user)).notifications.length).toBeGreaterThanOrEqual(100);
    await createNumbered(app.url, user, 130);
    expect((await stored(user)).notifications.length).toBeLessThanOrEqual(125);
    const view = await list(app.url, user, "&limit=1000");
    expect(view).toMatchObject({ elements: 100, new: 100 });
    expect(numbers(view.list)).toStrictEqual(countDown(130, 31));
  });

  test("with 1 only the newest item stays", async () => {
    const app = await startService({ DB_URI: uri, INBOX_LIMIT: "1" });
    const user = newUser();
    for (let n = 1; n <= 6; n++) {
      await createNumbered(app.url, user, 1, n);
      const view = await list(app.url, user);
      expect([view.elements, view.new, numbers(view.list)]).toStrictEqual([1, 1, [n]]);
      expect((await stored(user)).notifications.length).toBeLessThanOrEqual(2);
    }
  });
});

describe("POST /read", () => {
  test("marks an item as read, once or twice; the unread count falls by one and rev grows by one", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    await createNumbered(app.url, user, 3);
    const before = await stored(user);
    const middle = before.notifications[1];

    const first = await read(app.url, user, middle.id);
    expect([first.status, first.body]).toStrictEqual([200, { success: true }]);
    const after = await stored(user);
    expect(after).toStrictEqual({
      ...before,
      rev: 4,
      notifications: [
        before.notifications[0],
        { ...middle, is_new: false, rev: 4, created_rev: 2, changed: expect.any(Number) },
        before.notifications[2],
      ],
    });
    const view = await list(app.url, user);
    expect(view).toMatchObject({ elements: 3, new: 2 });
    expect(view.list.map((item: { is_new: boolean }) => item.is_new)).toStrictEqual([true, false, true]);

    const second = await read(app.url, user, middle.id);
    expect([second.status, second.body]).toStrictEqual([200, { success: true }]);
    expect(await stored(user)).toStrictEqual(after);

    await createNumbered(app.url, user, 1, 4);
    expect((await stored(user)).notifications.at(-1).rev).toBe(5);
    expect(await list(app.url, user)).toMatchObject({ elements: 4, new: 3 });
  });

  test("an unknown notification, an unknown user and another user's notification are 404", async () => {
    const app = await startService({ DB_URI: uri });
    const [user, other] = [newUser(), newUser()];
    await create(app.url, user);
    await create(app.url, other);
    const before = await stored(user);
    const { id } = before.notifications[0];
    for (const [who, what] of [
      [user, newUser()],
      [newUser(), id],
      [other, id],
    ] as const) {
      const answer = await read(app.url, who, what);
      expect(answer.status).toBe(404);
      expect(answer.body).toStrictEqual({
        success: false,
        error: { code: "not_found", message: expect.stringContaining(what) },
      });
    }
    expect(await stored(user)).toStrictEqual(before);
  });

  test("accepts any body: an empty form, empty JSON, text or none", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    const sent: Array<[string | undefined, string | undefined]> = [
      [undefined, undefined],
      ["application/x-www-form-urlencoded", ""],
      ["application/x-www-form-urlencoded", "a=b"],
      ["application/json", ""],
      ["application/json", "{}"],
      ["application/json", "not json"],
      ["text/plain;charset=UTF-8", ""],
      ["multipart/form-data; boundary=x", "--x--\r\n"],
    ];
    await createNumbered(app.url, user, sent.length);
    const { notifications } = await stored(user);
    for (const [index, [type, body]] of sent.entries()) {
      const path = `/read?user_id=${user}&notification_id=${notifications[index].id}`;
      const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
      const answer = await call(app.url, "POST", path, body, headers);
      expect([answer.status, answer.body], `${type} ${body}`).toStrictEqual([200, { success: true }]);
      expect((await list(app.url, user)).new).toBe(sent.length - index - 1);
    }
  });

  test("users and notifications that an older system stored without rev can be listed and read", async () => {
    const app = await startService({ DB_URI: uri });
    const user = newUser();
    const item = (id: string) => ({
      id,
      timestamp: 1698138241,
      is_new: true,
      user_id: user,
      key: "old_type",
    });
    const [one, two] = [item(newUser()), item(newUser())];
    await users.insertOne({ _id: new ObjectId(user), email: "old@users.example", notifications: [one, two] });
    expect(await list(app.url, user)).toMatchObject({ elements: 2, new: 2, list: [two, one] });
    expect((await read(app.url, user, one.id)).status).toBe(200);
    expect(await stored(user)).toMatchObject({ rev: 1, notifications: [{ is_new: false, rev: 1 }, two] });
    expect((await read(app.url, user, one.id)).status).toBe(200);
    await create(app.url, user);
    expect(await stored(user)).toMatchObject({ rev: 2 });
    expect(await list(app.url, user)).toMatchObject({ elements: 3, new: 2 });
  });
});

describe("the database", () => {
  test("keeps everything after a restart", async () => {
    const user = newUser();
    const first = await startService({ DB_URI: uri });
    await createNumbered(first.url, user, 12);
    const { notifications } = await stored(user);
    await read(first.url, user, notifications[3].id);
    const before = await list(first.url, user, "&limit=100");
    expect(before).toMatchObject({ elements: 12, new: 11 });
    await first.close();
    await expect(call(first.url, "GET", "/livez")).rejects.toThrow();

    const second = await startService({ DB_URI: uri });
    expect(await list(second.url, user, "&limit=100")).toStrictEqual(before);
    await createNumbered(second.url, user, 1, 13);
    expect(numbers((await list(second.url, user, "&limit=2")).list)).toStrictEqual([13, 12]);
  });

  test.each(["DB_URI", "MONGO_URI", "MONGODB_URI"])("is found under the name %s", async (name) => {
    expect(loadConfig({ [name]: uri }).config.DB_URI).toBe(uri);
    const app = await startService({ [name]: uri });
    const user = newUser();
    await create(app.url, user);
    expect((await stored(user)).notifications.length).toBe(1);
  });

  test.each([
    ["mongodb://127.0.0.1:27017", "belfry"],
    ["mongodb://127.0.0.1:27017/", "belfry"],
    ["mongodb://127.0.0.1:27017/?replicaSet=rs0", "belfry"],
    ["mongodb://127.0.0.1:27017/shop", "shop"],
    ["mongodb://a:b%2Fc@one.example,two.example:27018/shop?replicaSet=rs0&authSource=admin", "shop"],
    ["mongodb+srv://cluster.example/shop%2Dold", "shop-old"],
    ["mongodb+srv://cluster.example", "belfry"],
  ])("of %s is %s", (given, name) => {
    expect(databaseName(given)).toBe(name);
  });
});

/** The plain-text part of a mail, its headers not included. */
function textOf(raw: string): string {
  const part = raw.slice(raw.indexOf("Content-Type: text/plain"));
  return part.slice(part.indexOf("\r\n\r\n") + 4).split("\r\n--")[0] ?? "";
}

function headerOf(raw: string, name: string): string | undefined {
  const head = raw.slice(0, raw.indexOf("\r\n\r\n"));
  return new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trim();
}
