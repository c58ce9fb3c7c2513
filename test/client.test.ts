import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Ajv } from "ajv";
import { ObjectId } from "mongodb";
import type { Static } from "typebox";
import { expect, expectTypeOf, onTestFinished, test } from "vitest";
import { BelfryClient, type ClientOptions, type InboxItem } from "../src/client/index.ts";
import type * as wire from "../src/client/wire.ts";
import type * as schemas from "../src/http/v1/schemas.ts";
import type { InboxItemDto } from "../src/model/inbox-dto.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, spawnService, startService } from "./support/service.ts";

const { uri, client: mongo, db } = freshDatabase();
const apiKey = "key-of-sixteen-characters";
const variables = { DB_URI: uri, API_KEYS: apiKey, TOKEN_SECRET: "s".repeat(32) };

interface Operation {
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

/** A client whose every call and answer is held against the document that the service gives of itself. */
async function checkedClient(url: string, options: Partial<ClientOptions> = {}) {
  const { body: document } = await call(url, "GET", "/openapi.json");
  const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`),
        method: method.toUpperCase(),
        operation,
      })),
  );
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const problemsIn = (schema: object | undefined, value: unknown) =>
    schema && !ajv.validate(schema, value) ? (ajv.errors ?? []) : [];
  const seen = new Set<string>();
  const problems: unknown[] = [];
  const checking: typeof fetch = async (input, init) => {
    const { pathname } = new URL(String(input));
    const method = init?.method ?? "GET";
    const found = operations.find((one) => one.method === method && one.pattern.test(pathname));
    const response = await fetch(input, init);
    if (!found) problems.push(`${method} ${pathname} is in no document`);
    else {
      seen.add(found.name);
      const { requestBody, responses } = found.operation;
      const sent = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
      problems.push(...problemsIn(requestBody?.content["application/json"]?.schema, sent ?? {}));
      const answer = responses[response.status];
      if (!answer) problems.push(`${found.name} does not say that it answers ${response.status}`);
      const text = await response.clone().text();
      problems.push(...problemsIn(answer?.content?.["application/json"]?.schema, text && JSON.parse(text)));
    }
    return response;
  };
  return { client: new BelfryClient({ server: url, fetch: checking, ...options }), seen, problems };
}

test("every call and answer matches the OpenAPI document", async () => {
  const { url } = await startService(variables);
  const { client, seen, problems } = await checkedClient(url, { apiKey, user: "ann" });
  const { notifications } = await client.notify({
    recipients: ["ann", "bob/../%zz ü"],
    type: "new_message",
    title: "Hello",
    body: "there",
    data: { "a.b": ["$c"] },
    target_id: "0".repeat(24),
    channels: ["inbox"],
  });
  const id = notifications[0]?.id ?? "";
  expect(notifications).toMatchObject([{ user_id: "ann" }, { user_id: "bob/../%zz ü" }]);
  const listed = await client.inbox.list({ limit: 1, archived: "any", unread: true, type: "new_message" });
  expect(listed.items).toMatchObject([{ id, title: "Hello", body: "there", data: { "a.b": ["$c"] } }]);
  expect(await client.inbox.get(id)).toMatchObject({ unread: 1, item: { id } });
  expect(await client.inbox.read(id)).toMatchObject({ unread: 0, item: { read: true } });
  expect(await client.inbox.unread(id)).toMatchObject({ unread: 1 });
  expect(await client.inbox.archive(id)).toMatchObject({ item: { archived: true } });
  expect(await client.inbox.unarchive(id)).toMatchObject({ item: { archived: false } });
  expect(await client.inbox.unread(id)).toMatchObject({ unread: 1 });
  expect(await client.inbox.seen(0)).toMatchObject({ unread: 1, unseen: 1 });
  expect(await client.inbox.seen()).toMatchObject({ unread: 1, unseen: 0 });
  expect(await client.inbox.readAll(0)).toMatchObject({ unread: 1, changed: 0 });
  expect(await client.inbox.readAll()).toMatchObject({ unread: 0, changed: 1 });
  expect(await client.inbox.remove(id)).toMatchObject({ total: 0 });
  expect((await client.as("bob/../%zz ü").inbox.list()).items).toMatchObject([{ title: "Hello" }]);

  const webhook = { url: "https://hooks.example/x", secrets: [`whsec_${"A".repeat(32)}`] };
  const profile = { email: "ann@x.example", locale: "de", time_zone: "Europe/Berlin", webhook };
  expect(await client.profile.put(profile)).toMatchObject({ id: "ann", webhook: { url: webhook.url } });
  await client.profile.patch({ phone: "+12025550123", webhook: null });
  expect(await client.profile.get()).toEqual({
    id: "ann",
    email: "ann@x.example",
    phone: "+12025550123",
    locale: "de",
    time_zone: "Europe/Berlin",
  });
  const { token } = await client.createToken({ ttlSeconds: 60 });
  expect((await new BelfryClient({ server: url, user: "ann", token }).inbox.list()).total).toBe(0);
  expect(await client.profile.remove()).toBeUndefined();
  expect(problems).toEqual([]);
  expect([...seen].sort()).toEqual(
    [
      "POST /v1/notifications",
      "GET /v1/users/{id}",
      "PUT /v1/users/{id}",
      "PATCH /v1/users/{id}",
      "DELETE /v1/users/{id}",
      "POST /v1/users/{id}/token",
      "GET /v1/users/{id}/inbox",
      "GET /v1/users/{id}/inbox/{item}",
      "POST /v1/users/{id}/inbox/{item}/read",
      "POST /v1/users/{id}/inbox/{item}/unread",
      "POST /v1/users/{id}/inbox/{item}/archive",
      "POST /v1/users/{id}/inbox/{item}/unarchive",
      "DELETE /v1/users/{id}/inbox/{item}",
      "POST /v1/users/{id}/inbox/read-all",
      "POST /v1/users/{id}/inbox/seen",
    ].sort(),
  );
});

test("an error has a status, a code and details", async () => {
  const { url } = await startService(variables);
  const client = new BelfryClient({ server: `${url}/`, apiKey, user: "ann", retries: 0 });
  await expect(client.notify({ recipients: [], type: "new_login" })).rejects.toMatchObject({
    name: "BelfryClientError",
    status: 400,
    code: "invalid_request",
    details: [{ pointer: "/recipients" }],
  });
  await expect(client.inbox.read("0".repeat(24))).rejects.toMatchObject({ status: 404, code: "not_found" });
  const stranger = new BelfryClient({ server: url, apiKey: "another-key-of-some-length" });
  await expect(stranger.as("ann").inbox.list()).rejects.toMatchObject({ status: 401, code: "unauthorized" });
  await expect(stranger.inbox.list()).rejects.toMatchObject({ code: "no_user" });
  const nowhere = new BelfryClient({ server: "http://127.0.0.1:1", user: "ann", retries: 1 });
  await expect(nowhere.inbox.list()).rejects.toMatchObject({ status: 0, code: "unreachable" });
  expect(() => new BelfryClient({ server: url, apiKey, token: "x" })).toThrow("one of apiKey");
});

test("retries a notification whose answer was lost, and it is stored once", async () => {
  const { url } = await startService(variables);
  let lost = 0;
  const losing: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (lost++ < 2) throw new TypeError("the network has gone");
    return response;
  };
  const client = new BelfryClient({ server: url, apiKey, user: "cid", fetch: losing });
  const { notifications } = await client.notify({ recipients: ["cid"], type: "new_login" });
  expect(lost).toBe(3);
  expect((await client.inbox.list()).items.map((one) => one.id)).toEqual([notifications[0]?.id]);
  expect(await db.collection("deliveries").countDocuments({ user: "cid" })).toBe(1);
  // A key of the caller's own gives the same answer again.
  const again = { idempotencyKey: "order-7" };
  const body = { recipients: ["cid"], type: "new_message" };
  expect(await client.notify(body, again)).toEqual(await client.notify(body, again));
  expect((await client.inbox.list()).total).toBe(2);
  await expect(client.notify({ ...body, title: "x" }, again)).rejects.toMatchObject({
    status: 422,
    code: "idempotency_mismatch",
  });
});

test("retries after Retry-After, and fails at once when it is minutes", async () => {
  let answers: Array<[status: number, headers: Record<string, string>, body: string]> = [];
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    const [status, headers, body] = answers.shift() as (typeof answers)[number];
    response.writeHead(status, headers).end(body);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const client = new BelfryClient({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    user: "ann",
  });
  const busy = JSON.stringify({ code: "overloaded", detail: "Too much." });
  const inbox = JSON.stringify({ rev: 0, unread: 0, unseen: 0, total: 0, items: [] });
  answers = [
    [503, { "retry-after": "0" }, busy],
    [502, {}, "<html>a proxy's own words</html>"],
    [200, {}, inbox],
  ];
  expect((await client.inbox.list()).total).toBe(0);
  expect(asked).toBe(3);
  answers = [[503, { "retry-after": "600" }, busy]];
  await expect(client.inbox.list()).rejects.toMatchObject({ code: "overloaded", retryAfter: 600 });
  answers = [[404, {}, "<html>"]];
  await expect(client.inbox.list()).rejects.toMatchObject({ status: 404, code: "http_404" });
  expect(asked).toBe(5);
});

/** Asks a client whose server gives these answers; the last one's for all that follow. */
async function playing(answers: Array<[status: number, code: string]>, options: Partial<ClientOptions> = {}) {
  const keys: unknown[] = [];
  const server = createServer((request, response) => {
    const [status, code] = answers[Math.min(keys.length, answers.length - 1)] as (typeof answers)[number];
    keys.push(request.headers["idempotency-key"]);
    response.writeHead(status, { "retry-after": "0" }).end(JSON.stringify({ code }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { keys, client: new BelfryClient({ server: url, ...options }) };
}

test("retries idempotency_in_progress more than three times", async () => {
  const inProgress: [number, string] = [409, "idempotency_in_progress"];
  const overloaded: [number, string] = [503, "overloaded"];
  const body = { recipients: ["ann"], type: "new_login" };
  const { client, keys } = await playing([
    ...Array.from({ length: 6 }, () => inProgress),
    overloaded,
    inProgress,
    overloaded,
    [201, ""],
  ]);
  await client.notify(body);
  expect(keys).toHaveLength(10);
  expect(new Set(keys).size).toBe(1);
  const impatient = await playing([inProgress], { retries: 0 });
  await expect(impatient.client.notify(body)).rejects.toMatchObject({ code: "idempotency_in_progress" });
  expect(impatient.keys).toHaveLength(1);
});

test("a failed notify has its idempotency key for a repeat", async () => {
  const { client, keys } = await playing([[503, "overloaded"]], { retries: 1, user: "ann" });
  const body = { recipients: ["ann"], type: "new_login" };
  const error = await client.notify(body).catch((failed) => failed);
  expect(error).toMatchObject({ code: "overloaded", idempotencyKey: expect.stringMatching(/./) });
  await client.notify(body, error).catch(() => {});
  expect(new Set(keys)).toEqual(new Set([error.idempotencyKey]));
  const other = await client.inbox.list().catch((failed) => failed);
  expect(other.idempotencyKey).toBeUndefined();
});

test("gets its answer from the next process after a kill, and the notification is stored once", async () => {
  const [one, next] = await Promise.all([spawnService({ DB_URI: uri }), startService({ DB_URI: uri })]);
  const recipients = [new ObjectId().toHexString(), new ObjectId().toHexString()];
  const session = mongo.startSession();
  onTestFinished(() => session.endSession());
  // Somebody else holds one of the documents, so that the commit cannot be finished.
  session.startTransaction();
  await db.collection("users").insertOne({ _id: new ObjectId(recipients[1]) }, { session });
  let asked = 0;
  const moving: typeof fetch = (input, init) =>
    fetch(asked++ === 0 ? input : String(input).replace(one.url, next.url), init);
  const client = new BelfryClient({ server: one.url, user: recipients[0] as string, fetch: moving });
  const answer = client.notify({ recipients, type: "new_login" });
  const begun = await eventually(
    async () =>
      (await db.collection("idempotency").findOne({ ids: { $size: 2 }, lease: { $exists: true } })) ?? false,
    "it to begin",
  );
  one.kill("SIGKILL");
  await session.abortTransaction();
  const ids = begun.ids.map(String);
  expect((await answer).notifications.map((each) => each.id)).toEqual(ids);
  expect((await client.inbox.list()).items.map((item) => item.id)).toEqual(ids.slice(0, 1));
  expect(await db.collection("deliveries").countDocuments({ notification: { $in: begun.ids } })).toBe(2);
});

test("renews an expired token once for all waiting calls", async () => {
  const { url } = await startService(variables);
  const program = new BelfryClient({ server: url, apiKey, user: "ann" });
  let asked = 0;
  const getToken = async () => {
    asked++;
    if (asked === 1) return "one.that.ran-out";
    return (await program.createToken()).token;
  };
  const page = new BelfryClient({ server: url, user: "ann", getToken });
  await Promise.all([page.inbox.list(), page.inbox.list(), page.inbox.list()]);
  expect(asked).toBe(2);
  await expect(page.as("bob").inbox.list()).rejects.toMatchObject({ status: 403, code: "forbidden" });
});

test("the types of bodies and answers match the schemas", () => {
  // The compiler checks it: `npm run typecheck`.
  type Item = InboxItemDto;
  expectTypeOf<keyof Item>().toEqualTypeOf<keyof InboxItem>();
  // Of `data` the schema says no more than that it is an object.
  expectTypeOf<Omit<Item, "data">>().toExtend<Omit<InboxItem, "data">>();
  type Listed = Static<typeof schemas.ListReply>;
  expectTypeOf<keyof Listed>().toEqualTypeOf<keyof wire.InboxAnswer>();
  expectTypeOf<Omit<Listed, "items">>().toExtend<Omit<wire.InboxAnswer, "items">>();
  expectTypeOf<keyof Static<typeof schemas.ItemReply>>().toEqualTypeOf<keyof wire.ItemAnswer>();
  expectTypeOf<Static<typeof schemas.ReadAllReply>>().toExtend<wire.ReadAllAnswer>();
  expectTypeOf<Static<typeof schemas.ProfileReply>>().toExtend<wire.ProfileAnswer>();
  expectTypeOf<wire.ProfileBody>().toExtend<Static<typeof schemas.PutProfile>>();
  expectTypeOf<wire.ProfilePatch>().toExtend<Static<typeof schemas.PatchProfile>>();
});
