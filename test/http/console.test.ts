import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { describe, expect, test } from "vitest";
import { createFindUsers } from "../../src/core/find-users.ts";
import { createUserSearch } from "../../src/store/user-search.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";

const { uri, client, db } = await ownDatabase();
const users = db.collection<{ _id: ObjectId | string; [field: string]: unknown }>("users");

const typesFile = join(tmpdir(), `belfry-types-${new ObjectId()}.json`);
writeFileSync(
  typesFile,
  JSON.stringify({
    invoice: {
      description: "An invoice",
      inbox: true,
      channels: {
        email: { subject: "Invoice {{ data.number }}", html: "<b>{{ body }}</b>", text: "{{ body }}" },
        sms: { text: "{{ data.number | date: data.form | upcase }} {{ body }}" },
        webhook: {},
      },
      retry: { max_retries: 1, factor: 3 },
      on_timeout: "give_up",
    },
    greedy: {
      inbox: false,
      channels: {
        sms: {
          text: "{% for one in data.many %}{% for two in data.many %}{{ two }}{% endfor %}{% endfor %}",
        },
      },
    },
  }),
);
const variables = { DB_URI: uri, NOTIFICATION_TYPES_FILE: typesFile };

describe("/v1/types", () => {
  test("lists each type with what is in force, built in or of the operator's file", async () => {
    const { url } = await startService({
      ...variables,
      RETRY_DELAY_MS: "700",
      MAX_RETRIES: "4",
      RETRY_FACTOR: "2",
    });
    const { status, body } = await call(url, "GET", "/v1/types");
    expect(status).toBe(200);
    const of = (key: string) => body.data.find((one: { key: string }) => one.key === key);
    expect(of("invoice")).toStrictEqual({
      key: "invoice",
      description: "An invoice",
      inbox: true,
      channels: ["email", "sms", "webhook"],
      mandatory: false,
      rules: { email: "E-mail", sms: "SMS", webhook: "Webhook" },
      templates: {
        email: { subject: "Invoice {{ data.number }}", html: "<b>{{ body }}</b>", text: "{{ body }}" },
        sms: { text: "{{ data.number | date: data.form | upcase }} {{ body }}" },
      },
      locales: [],
      retry: { delay_ms: 700, factor: 3, max_retries: 1 },
      on_timeout: "give_up",
    });
    expect(of("new_message")).toMatchObject({ channels: [], templates: {}, on_timeout: "resend" });
    expect(of("registration").templates.email.subject).toBe("{{ title | default: type_name }}");
  });

  test("previews what a notification would send, escaped as it would be, and stores nothing", async () => {
    const { url } = await startService(variables);
    const preview = (key: string, body: object) => call(url, "POST", `/v1/types/${key}/preview`, body);
    const { status, body } = await preview("invoice", {
      body: "<i>due</i> ✓",
      // Unix seconds of a day that is of that year in every time zone.
      data: { number: 700_000, form: "%Y" },
    });
    expect(status).toBe(200);
    expect(body.email).toStrictEqual({
      subject: "Invoice 700000",
      text: "<i>due</i> ✓",
      html: "<b>&lt;i&gt;due&lt;/i&gt; ✓</b>",
    });
    expect(body.sms).toStrictEqual({ text: "1970 <i>due</i> ✓", segments: 1 });
    expect((await preview("direct", { body: "x".repeat(161) })).body.sms.segments).toBe(2);
    expect((await preview("new_message", {})).body).toStrictEqual({});
    expect(await db.collection("deliveries").countDocuments()).toBe(0);
    expect(await users.countDocuments()).toBe(0);
  });

  test("refuses what it cannot render, and names the channel or the field", async () => {
    const { url } = await startService(variables);
    const preview = (key: string, body: unknown) => call(url, "POST", `/v1/types/${key}/preview`, body);
    const many = Array.from({ length: 2_000 }, () => 1);
    for (const [key, sample, status, pointer] of [
      ["greedy", { data: { many } }, 400, "/sms"],
      ["invoice", { data: { a: "\ud800" } }, 400, "/data/a"],
      ["invoice", { data: { a: "x".repeat(9_000) } }, 400, "/data"],
      ["invoice", { data: [] }, 400, "/data"],
      ["invoice", { title: 1 }, 400, "/title"],
      ["invoice", { target_id: "1" }, 400, "/target_id"],
      ["invoice", { more: 1 }, 400, "/more"],
      ["no_such", {}, 404, undefined],
    ] as const) {
      const { status: got, body, headers } = await preview(key, sample);
      expect([got, body.errors?.[0]?.pointer], JSON.stringify(sample).slice(0, 80)).toStrictEqual([
        status,
        pointer,
      ]);
      expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    }
    const { body } = await preview("greedy", { data: { many } });
    expect(body.detail).toMatch(/^The sms template cannot be rendered .*50000 steps/);
  });
});

describe("/v1/users", () => {
  const hex = () => new ObjectId().toHexString();
  const ask = (url: string, query: Record<string, string>) =>
    call(url, "GET", `/v1/users?${new URLSearchParams(query)}`);
  const idsOf = (answer: { body: { data: Array<{ id: string }> } }) => answer.body.data.map(({ id }) => id);

  test("finds by id, by its beginning, by e-mail and by phone", async () => {
    const { url } = await startService(variables);
    // Of the same second.
    const first = hex();
    const second = `${first.slice(0, -6)}ffffff`;
    await users.insertMany([
      { _id: "ann", email: "ann@one.example", phone: "+4915112345678" },
      { _id: "ann.b", email: { not: "a text" } },
      { _id: "ann@one.example" },
      { _id: "anna😀" },
      { _id: "bob", email: "$ne" },
      { _id: 7 as unknown as string },
      { _id: new ObjectId(first), email: "first@one.example" },
      { _id: new ObjectId(second), email: "first@one.example" },
    ]);
    for (const [q, found] of [
      ["ann", ["ann", "ann.b", "ann@one.example", "anna😀"]],
      ["ann.", ["ann.b"]],
      ["anna", ["anna😀"]],
      ["nn", []],
      [".*", []],
      ["7", []],
      [first.toUpperCase(), [first]],
      [first.slice(0, 18).toUpperCase(), [first, second]],
      [`${first.slice(0, 12)}g`, []],
      ["ann@one.example", ["ann@one.example", "ann"]],
      ["first@one.example", [first, second]],
      ["ANN@one.example", []],
      ["+49 (151) 12345678", ["ann"]],
      ["$ne", []],
    ] as const)
      expect(idsOf(await ask(url, { q })), q).toStrictEqual(found);
    expect((await ask(url, { q: "ann" })).body.data.slice(0, 2)).toStrictEqual([
      { id: "ann", email: "ann@one.example", phone: "+4915112345678" },
      { id: "ann.b" },
    ]);

    // Page by page, texts before ObjectIds; what is no id of ours is passed over.
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ask(url, { limit: "3", ...(cursor && { cursor }) });
      all.push(...idsOf(page));
      cursor = page.body.next_cursor;
      expect(page.headers.get("link") !== null).toBe(cursor !== undefined);
    } while (cursor);
    expect(all).toStrictEqual(["ann", "ann.b", "ann@one.example", "anna😀", "bob", first, second]);
    const { body } = await ask(url, { q: "ann", limit: "2" });
    expect(idsOf(await ask(url, { q: "ann", limit: "2", cursor: body.next_cursor }))).toStrictEqual([
      "ann@one.example",
      "anna😀",
    ]);
    expect((await ask(url, { q: "bob", cursor: body.next_cursor })).body.errors[0].pointer).toBe("?cursor");
  });

  test("says what would help when there are too many users to look for an address in", async () => {
    const { url } = await startService(variables);
    const end = await failCommands(client, "alwaysOn", {
      failCommands: ["find"],
      errorCode: 50,
      namespace: `${db.databaseName}.users`,
    });
    try {
      const { status, body } = await ask(url, { q: "+4915112345678" });
      expect([status, body.code]).toStrictEqual([503, "database_unavailable"]);
      const search = createUserSearch(db);
      await expect(search.withAddress("phone", "+4915112345678", 1)).rejects.toThrow(
        "db.users.createIndex({ phone: 1 })",
      );
      // What is found by its id stands.
      const find = createFindUsers({ ...search, withId: async () => [{ id: "a@b" }] });
      expect(await find("a@b", 10)).toStrictEqual({ data: [{ id: "a@b" }] });
    } finally {
      await end();
    }
  });

  test("refuses a wrong query", async () => {
    const { url } = await startService(variables);
    for (const [query, pointer] of [
      [{ limit: "0" }, "?limit"],
      [{ limit: "101" }, "?limit"],
      [{ q: "" }, "?q"],
      [{ q: "x".repeat(255) }, "?q"],
      [{ q: "a\0b" }, "?q"],
      [{ cursor: "?" }, "?cursor"],
      [{ name: "x" }, "?name"],
    ] as const) {
      const { status, body } = await ask(url, query);
      expect([status, body.errors?.[0]?.pointer]).toStrictEqual([400, pointer]);
    }
  });
});

describe("/v1/stats", () => {
  test("tells what happened in each interval, and what waits from the start of the process", async () => {
    const { url } = await startService({ ...variables, ROLES: "api,worker" });
    const first = await eventually(async () => {
      const { body } = await call(url, "GET", "/v1/stats");
      return body.samples.length > 0 && body;
    }, "the first sample");
    expect(first.interval_seconds).toBe(5);
    expect(first.samples.at(-1)).toMatchObject({ pending: 0, oldest_age_seconds: 0, connections: 0 });
    expect(first.providers).toStrictEqual([
      { channel: "email", name: "capture", state: "ok" },
      { channel: "sms", name: "capture", state: "ok" },
      { channel: "webhook", name: "webhook", state: "ok" },
    ]);
    for (let n = 0; n < 3; n++)
      expect((await call(url, "POST", "/create", { user_id: new ObjectId(), key: "new_login" })).status).toBe(
        201,
      );
    const samples = await eventually(async () => {
      const { body } = await call(url, "GET", "/v1/stats");
      const sent = body.samples.reduce((sum: number, one: { sent: number }) => sum + one.sent, 0);
      return sent === 3 && body.samples;
    }, "all three to be in the samples");
    const sum = (name: string) =>
      samples.reduce((all: number, one: Record<string, number>) => all + (one[name] ?? 0), 0);
    expect([sum("accepted"), sum("failed"), sum("skipped")]).toStrictEqual([3, 0, 0]);
    const busy = samples.find((one: { accepted: number }) => one.accepted > 0);
    expect(busy.latency_ms_p50).toBeGreaterThan(0);
    expect(busy.latency_ms_p99).toBeGreaterThanOrEqual(busy.latency_ms_p50);
  });

  test("without a worker there are no providers", async () => {
    const { url } = await startService({ ...variables, ROLES: "api" });
    expect((await call(url, "GET", "/v1/stats")).body.providers).toStrictEqual([]);
  });
});

describe("/v1/simulator", () => {
  const known = { _id: { $in: ["alex", "bob", "carol", "dan"] } };
  const inboxes = async () =>
    (await users.find(known).toArray()).flatMap((one) => one.notifications as unknown[]).length;

  test("is started, paced and stopped", async () => {
    const { url } = await startService(variables);
    const set = (body: object) => call(url, "PUT", "/v1/simulator", body);
    expect((await call(url, "GET", "/v1/simulator")).body).toStrictEqual({
      running: false,
      interval_seconds: 5,
    });
    const { status, body } = await set({ running: true, interval_seconds: 0.02 });
    expect([status, body]).toStrictEqual([200, { running: true, interval_seconds: 0.02 }]);
    await eventually(async () => (await inboxes()) > 4, "notifications of the simulator");
    expect((await set({ running: false })).body).toStrictEqual({ running: false, interval_seconds: 0.02 });
    expect((await call(url, "GET", "/v1/simulator")).body.running).toBe(false);
    // Who paces it does not start it.
    expect((await set({ interval_seconds: 7 })).body).toStrictEqual({ running: false, interval_seconds: 7 });
    for (const wrong of [
      {},
      { running: 1 },
      { running: true, interval_seconds: 0 },
      { running: true, faster: 1 },
    ])
      expect((await set(wrong)).status).toBe(400);
  });

  test("runs from the start when the configuration says so", async () => {
    const { url } = await startService({ ...variables, SIMULATOR_INTERVAL_SECONDS: "0.5" });
    expect((await call(url, "GET", "/v1/simulator")).body).toStrictEqual({
      running: true,
      interval_seconds: 0.5,
    });
  });
});

describe("/v1/captured/:id", () => {
  test("is the one message, as the list has it", async () => {
    const { url } = await startService(variables);
    await call(url, "POST", "/v1/notifications", { recipients: ["kim"], type: "direct", title: "Hello" });
    const listed = await eventually(
      async () => (await call(url, "GET", "/v1/captured")).body.data[0],
      "a captured message",
    );
    expect(await call(url, "GET", `/v1/captured/${listed.id.toUpperCase()}`)).toMatchObject({
      status: 200,
      body: listed,
    });
    const none = new ObjectId();
    expect((await call(url, "GET", `/v1/captured/${none}`)).body).toMatchObject({
      status: 404,
      detail: `There is no captured message ${none}.`,
    });
    expect((await call(url, "GET", "/v1/captured/1")).body.errors[0].pointer).toBe("/id");
  });
});

test("each page is held to itself, and tells nobody where it was", async () => {
  const { url } = await startService(variables);
  for (const path of ["/", "/message.html"]) {
    const { status, headers } = await call(url, "GET", path);
    expect([status, headers.get("referrer-policy"), headers.get("x-content-type-options")]).toStrictEqual([
      200,
      "no-referrer",
      "nosniff",
    ]);
    const policy = headers.get("content-security-policy");
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors '(none|self)'$/);
    expect(policy).not.toMatch(/https?:|script-src[^;]*unsafe/);
  }
});

describe("/v1/deliveries/:id/message", () => {
  const found = (url: string, query: string) =>
    eventually(async () => (await call(url, "GET", `/v1/deliveries?${query}`)).body.data, "the deliveries");

  test("shows the content, today's address and the message of each channel", async () => {
    const { url } = await startService(variables);
    await call(url, "PUT", "/v1/users/mia", { email: "mia@one.example", phone: "+12025550111" });
    const sent = {
      recipients: ["mia"],
      type: "invoice",
      body: "<i>due</i>",
      data: { number: 7, form: "%Y" },
    };
    await call(url, "POST", "/v1/notifications", sent);
    const deliveries = await found(url, "user_id=mia");
    const message = async (channel: string) => {
      const { id } = deliveries.find((one: { channel: string }) => one.channel === channel);
      return (await call(url, "GET", `/v1/deliveries/${id}/message`)).body;
    };
    const content = { type: "invoice", body: "<i>due</i>", data: { number: 7, form: "%Y" } };
    expect(await message("email")).toStrictEqual({
      ...content,
      address: "mia@one.example",
      email: { subject: "Invoice 7", html: "<b>&lt;i&gt;due&lt;/i&gt;</b>", text: "<i>due</i>" },
    });
    expect(await message("sms")).toStrictEqual({
      ...content,
      address: "+12025550111",
      sms: { text: "1970 <i>due</i>", segments: 1 },
    });
    expect(await message("webhook")).toStrictEqual({
      ...content,
      webhook: {
        type: "invoice",
        timestamp: expect.any(String),
        data: { id: deliveries[0].notification_id, user_id: "mia", body: content.body, data: content.data },
      },
    });
  });

  test("says why a message cannot be rendered, and that an erased user's is gone", async () => {
    const { url } = await startService(variables);
    const many = Array.from({ length: 2_000 }, () => 1);
    await call(url, "POST", "/v1/notifications", { recipients: ["noa"], type: "greedy", data: { many } });
    const [{ id }] = await found(url, "user_id=noa");
    const { body } = await call(url, "GET", `/v1/deliveries/${id}/message`);
    expect(body.problem).toMatch(/50000 steps/);
    expect(body.data).toEqual({ many });
    await call(url, "DELETE", "/v1/users/noa");
    expect((await call(url, "GET", `/v1/deliveries/${id}/message`)).status).toBe(404);
  });
});

test("deliveries are listed by their ids, together with the other filters", async () => {
  const { url } = await startService(variables);
  for (const recipients of [["pia"], ["quin"]])
    await call(url, "POST", "/v1/notifications", { recipients, type: "registration" });
  const list = async (query: string) => (await call(url, "GET", `/v1/deliveries?${query}`)).body;
  const { data: all } = await list("type=registration");
  const ids = all.map(({ id }: { id: string }) => id);
  expect(ids).toHaveLength(2);
  expect((await list(`id=${ids.join()}`)).data.map(({ id }: { id: string }) => id)).toEqual(ids);
  expect((await list(`id=${ids[0].toUpperCase()}`)).data).toHaveLength(1);
  expect(
    (await list(`id=${ids.join()}&user_id=pia`)).data.map((one: { user_id: string }) => one.user_id),
  ).toEqual(["pia"]);
  for (const wrong of ["", "x", `${ids[0]},`, Array(101).fill(ids[0]).join()])
    expect((await list(`id=${wrong}`)).errors[0].pointer).toBe("?id");
});

test("a notification that has only an inbox item is found by its id", async () => {
  const { url } = await startService(variables);
  const sent = { recipients: ["ravi"], type: "new_message", title: "Only here", channels: ["inbox"] };
  const { id } = (await call(url, "POST", "/v1/notifications", sent)).body.notifications[0];
  const { status, body } = await call(url, "GET", `/v1/notifications/${id.toUpperCase()}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({ user_id: "ravi", item: { id, title: "Only here", read: false } });
  expect((await call(url, "GET", `/v1/notifications/${hexId()}`)).status).toBe(404);
  expect((await call(url, "GET", "/v1/notifications/x")).status).toBe(400);
});

const hexId = () => new ObjectId().toHexString();
