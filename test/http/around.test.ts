import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient, ObjectId } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import { failCommands } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";
import { eventually, spawnService, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";

// Health, metrics, documents, request ids, logs and overload.

// This file has its own MongoDB, because its fail points would break the tests of other files.
const folder = mkdtempSync(join(tmpdir(), "belfry-around-"));
let mongod: ManagedMongod;
let client: MongoClient;
beforeAll(async () => {
  mongod = await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  client = new MongoClient(mongod.uri);
});
afterAll(async () => {
  await client.close();
  await mongod.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => failCommands(client, { times: 1 }, { failCommands: [] }).then((off) => off()));

let databases = 0;
function newDatabase(): string {
  const uri = new URL(mongod.uri);
  uri.pathname = `/around_${databases++}`;
  return uri.href;
}
const dbOf = (uri: string) => client.db(new URL(uri).pathname.slice(1));
const newUser = () => new ObjectId().toHexString();
const create = (url: string, headers: Record<string, string> = {}, key = "new_message") =>
  call(url, "POST", "/create", { user_id: newUser(), key }, headers);

const document = JSON.parse(readFileSync(new URL("../../openapi.json", import.meta.url), "utf8"));

describe("health", () => {
  test("/livez and /readyz are 200 while all is well", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    expect((await call(app.url, "GET", "/livez")).body).toStrictEqual({ status: "ok" });
    const { status, body } = await call(app.url, "GET", "/readyz");
    expect([status, body]).toStrictEqual([
      200,
      { status: "ready", checks: { mongodb: "ok", migrations: "ok" } },
    ]);
  });

  test("/readyz is 503 while MongoDB does not answer, and 200 again after that; /livez stays 200", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    const heal = await failCommands(client, "alwaysOn", {
      failCommands: ["ping"],
      closeConnection: true,
      appName: "belfry",
    });
    const { status, body } = await call(app.url, "GET", "/readyz");
    expect([status, body]).toStrictEqual([
      503,
      { status: "unavailable", checks: { mongodb: "unreachable", migrations: "ok" } },
    ]);
    expect((await call(app.url, "GET", "/livez")).status).toBe(200);
    await heal();
    await eventually(async () => (await call(app.url, "GET", "/readyz")).status === 200, "to be ready again");
  });

  test("without MongoDB each route answers 503 with the reason within seconds", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "belfry-gone-"));
    const own = await startManagedMongod({ dataDir, log: () => {} });
    try {
      const app = await startService({ DB_URI: own.uri });
      expect((await create(app.url)).status).toBe(201);
      await own.close();
      const started = Date.now();
      // The driver finds out that nobody is there with the first, and looks for somebody with the second.
      for (const _ of [1, 2]) {
        const ready = await call(app.url, "GET", "/readyz");
        expect([ready.status, ready.body.status]).toStrictEqual([503, "unavailable"]);
      }
      // A second each at most; the driver alone would look for 5 s.
      expect(Date.now() - started).toBeLessThan(4_500);
      expect((await call(app.url, "GET", "/livez")).status).toBe(200);
      const [metrics, ...answers] = await Promise.all([
        call(app.url, "GET", "/metrics"),
        call(app.url, "GET", `/list?user_id=${newUser()}`),
        call(app.url, "POST", `/read?user_id=${newUser()}&notification_id=${newUser()}`),
        call(app.url, "GET", "/v1/captured"),
      ]);
      expect(metrics.status).toBe(200);
      for (const { status, body, headers } of answers)
        expect([status, body.error?.code ?? body.code, headers.get("retry-after")]).toStrictEqual([
          503,
          "database_unavailable",
          "2",
        ]);
    } finally {
      await own.close();
      rmSync(dataDir, { recursive: true });
    }
  });
});

describe("/metrics", () => {
  test("count creates, commits, deliveries and requests, and name no id and no address", async () => {
    const smtp = await startSmtp({
      onData: (mail) => (mail.to.startsWith("gone") ? { code: 550, text: "5.1.1 no such user" } : undefined),
    });
    const uri = newDatabase();
    const app = await startService({ DB_URI: uri, ...smtp.variables, EMAIL: "canary@users.example" });
    const bounced = newUser();
    await dbOf(uri)
      .collection<{ _id: ObjectId; email: string }>("users")
      .insertOne({ _id: new ObjectId(bounced), email: "gone@users.example" });
    for (let n = 0; n < 5; n++) expect((await create(app.url)).status).toBe(201);
    expect((await create(app.url, {}, "new_login")).status).toBe(201);
    expect((await call(app.url, "POST", "/create", { user_id: bounced, key: "new_login" })).status).toBe(201);
    expect((await call(app.url, "POST", "/create", { user_id: "x" })).status).toBe(400);
    expect((await call(app.url, "GET", `/list?user_id=${bounced}`)).status).toBe(200);
    expect((await call(app.url, "GET", `/${bounced}`)).status).toBe(404);

    const scrape = async () => (await call(app.url, "GET", "/metrics")).body as string;
    const settled = (text: string) =>
      value(text, 'belfry_deliveries_total{channel="email",outcome="sent"}') === 1 &&
      value(text, 'belfry_deliveries_total{channel="email",outcome="failed"}') === 1;
    const text = await eventually(async () => {
      const found = await scrape();
      return settled(found) && found;
    }, "both deliveries in the metrics");
    expect(value(text, 'belfry_notifications_total{outcome="stored"}')).toBe(7);
    expect(value(text, "belfry_commit_batch_size_sum")).toBe(7);
    expect(value(text, "belfry_commit_batch_size_count")).toBe(7);
    expect(
      value(text, 'belfry_delivery_attempts_total{channel="email",provider="smtp",outcome="sent"}'),
    ).toBe(1);
    expect(
      value(text, 'belfry_delivery_attempts_total{channel="email",provider="smtp",outcome="rejected"}'),
    ).toBe(1);
    expect(value(text, 'belfry_delivery_queue_depth{channel="email",state="pending"}')).toBe(0);
    expect(value(text, 'belfry_delivery_queue_depth{channel="email",state="sending"}')).toBe(0);
    expect(value(text, "belfry_delivery_queue_oldest_age_seconds")).toBe(0);
    const latency = "belfry_http_request_duration_seconds_count";
    expect(value(text, `${latency}{method="POST",route="/create",status="201"}`)).toBe(7);
    expect(value(text, `${latency}{method="POST",route="/create",status="400"}`)).toBe(1);
    expect(value(text, `${latency}{method="GET",route="/list",status="200"}`)).toBe(1);
    expect(value(text, "belfry_process_resident_memory_bytes")).toBeGreaterThan(0);

    expect(text).not.toMatch(/[0-9a-f]{24}/);
    expect(text).not.toMatch(/@|canary|gone|127\.0\.0\.1|5\.1\.1/);
    const type = (await call(app.url, "GET", "/metrics")).headers.get("content-type");
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const line of text.split("\n").filter((one) => one && !one.startsWith("#")))
      expect(line).toMatch(/^belfry_\w+(\{[^{}]*\})? (-?[0-9.e+-]+|\+Inf|NaN)$/);
    await smtp.close();
  });

  test("show how many deliveries wait and for how long the oldest has been due", async () => {
    const uri = newDatabase();
    const app = await startService({ DB_URI: uri, ROLES: "api" });
    for (let n = 0; n < 3; n++) await create(app.url, {}, "new_login");
    const deliveries = dbOf(uri).collection("deliveries");
    const [first] = await deliveries.find().toArray();
    await deliveries.updateOne({ _id: first!._id }, { $set: { due: new Date(Date.now() - 3_600_000) } });
    const { body } = await call(app.url, "GET", "/metrics");
    expect(value(body, 'belfry_delivery_queue_depth{channel="email",state="pending"}')).toBe(3);
    const age = value(body, "belfry_delivery_queue_oldest_age_seconds");
    expect(age).toBeGreaterThan(3_590);
    expect(age).toBeLessThan(3_700);
  });

  test("show how many jobs are due, for how long the oldest has been, and how their runs ended", async () => {
    const uri = newDatabase();
    const api = await startService({ DB_URI: uri, ROLES: "api" });
    const later = { recipients: ["a"], type: "new_message", delay: "1h" };
    expect((await call(api.url, "POST", "/v1/notifications", later)).status).toBe(202);
    const due = { $set: { due: new Date(Date.now() - 3_600_000) } };
    await dbOf(uri).collection("jobs").updateOne({}, due);
    const { body } = await call(api.url, "GET", "/metrics");
    expect(value(body, 'belfry_jobs_due{kind="later"}')).toBe(1);
    expect(value(body, 'belfry_jobs_due{kind="broadcast"}')).toBe(0);
    const age = value(body, "belfry_jobs_oldest_due_age_seconds");
    expect(age).toBeGreaterThan(3_590);
    expect(age).toBeLessThan(3_700);

    const worker = await startService({ DB_URI: uri });
    const text = await eventually(async () => {
      const { body: found } = await call(worker.url, "GET", "/metrics");
      return value(found, 'belfry_job_runs_total{kind="later",outcome="done"}') === 1 && found;
    }, "the job in the metrics");
    expect(value(text, 'belfry_jobs_due{kind="later"}')).toBe(0);
    expect(value(text, "belfry_jobs_oldest_due_age_seconds")).toBe(0);
  });
});

describe("documents", () => {
  test("/openapi.json is the committed one, and /docs shows it with a content security policy", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    expect((await call(app.url, "GET", "/openapi.json")).body).toStrictEqual(document);
    const page = await call(app.url, "GET", "/docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toMatch("text/html");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/default-src 'none'/);
    // On a network's own address there is no https to be sent to.
    expect(policy).not.toMatch(/https|upgrade-insecure-requests|swagger\.io/);
    expect(policy).toMatch(/script-src 'self'/);
    expect(policy).not.toMatch(/script-src[^;]*'unsafe-inline'/);
    // The files that the page loads exist.
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) {
      const path = new URL(link, `${app.url}/docs/`);
      expect(path.origin).toBe(app.url);
      expect((await call(app.url, "GET", path.pathname)).status, link).toBe(200);
    }
    const initializer = await call(app.url, "GET", "/docs/static/swagger-initializer.js");
    expect(initializer.body).toContain("/openapi.json");
  });
});

describe("caching", () => {
  test("API answers and errors have Cache-Control: no-store and Referrer-Policy: no-referrer", async () => {
    const key = "a-key-of-more-than-16-characters";
    const app = await startService({ DB_URI: newDatabase(), API_KEYS: key });
    const bearer = { authorization: `Bearer ${key}` };
    const user = "638f394d4b7243fc0399ea67";
    const calls: Array<[string, string, unknown, Record<string, string>, number]> = [
      ["GET", `/list?user_id=${user}`, undefined, bearer, 200],
      ["GET", `/v1/users/${user}/inbox`, undefined, bearer, 200],
      ["GET", "/v1/deliveries", undefined, bearer, 200],
      ["GET", "/v1/captured", undefined, bearer, 200],
      ["GET", "/metrics", undefined, bearer, 200],
      ["GET", "/readyz", undefined, {}, 200],
      ["POST", "/create", { user_id: user, key: "new_message" }, bearer, 201],
      ["POST", "/create", {}, bearer, 400],
      ["GET", `/list?user_id=${user}`, undefined, {}, 401],
      ["GET", "/nothing", undefined, bearer, 404],
      ["DELETE", "/create", undefined, bearer, 405],
      ["POST", "/create", { user_id: user, key: "x".repeat(70_000) }, bearer, 413],
      ["GET", "/%zz", undefined, bearer, 400],
      ["GET", "/socket.io/?EIO=4&transport=polling", undefined, {}, 200],
      ["GET", `/v1/users/${user}/live`, undefined, {}, 400],
    ];
    for (const [method, path, body, headers, status] of calls) {
      const answer = await call(app.url, method, path, body, headers);
      const got = [answer.status, answer.headers.get("cache-control"), answer.headers.get("referrer-policy")];
      expect(got, `${method} ${path}`).toStrictEqual([status, "no-store", "no-referrer"]);
    }
    const events = await fetch(`${app.url}/v1/users/${user}/events`, { headers: bearer });
    await events.body?.cancel();
    expect(events.headers.get("cache-control")).toBe("no-store");
    expect(events.headers.get("referrer-policy")).toBe("no-referrer");
    const page = await call(app.url, "GET", "/console.js");
    expect(page.headers.get("cache-control")).toBe("no-cache");
  });
});

describe("answers outside the routes", () => {
  test("an unknown path is 404 and a wrong method 405 with Allow, as problem details", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    for (const [method, path, status, code, allow] of [
      ["POST", "/", 405, "method_not_allowed", "GET, HEAD"],
      ["GET", "/start", 404, "not_found", null],
      ["GET", "/nothing/here?user_id=canary", 404, "not_found", null],
      ["POST", "/createx", 404, "not_found", null],
      ["GET", "/create", 405, "method_not_allowed", "POST"],
      ["DELETE", "/create", 405, "method_not_allowed", "POST"],
      ["PUT", "/read?user_id=1", 405, "method_not_allowed", "POST"],
      ["POST", "/list", 405, "method_not_allowed", "GET, HEAD"],
      ["PATCH", "/livez", 405, "method_not_allowed", "GET, HEAD"],
      ["POST", "/openapi.json", 405, "method_not_allowed", "GET, HEAD"],
    ] as const) {
      const { status: got, body, headers } = await call(app.url, method, path);
      const what = `${method} ${path}`;
      expect([got, headers.get("allow")], what).toStrictEqual([status, allow]);
      expect(headers.get("content-type"), what).toMatch(/^application\/problem\+json/);
      expect(body, what).toStrictEqual({
        type: "about:blank",
        title: code.replaceAll("_", " "),
        status,
        detail: expect.stringMatching(/./),
        instance: path.split("?")[0],
        code,
      });
    }
  });

  test("a wrong query of a /v1 route is a problem that points at the parameter", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    for (const [query, pointer] of [
      ["limit=0", "?limit"],
      ["limit=101", "?limit"],
      ["skip=-1", "?skip"],
      ["page=1", "?page"],
    ]) {
      const { status, body, headers } = await call(app.url, "GET", `/v1/captured?${query}`);
      expect([status, body.code]).toStrictEqual([400, "invalid_request"]);
      expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
      expect(body.errors).toStrictEqual([{ pointer, detail: expect.stringMatching(/./) }]);
    }
  });

  test("a valid X-Request-Id comes back; an invalid or missing one is replaced", async () => {
    const app = await startService({ DB_URI: newDatabase() });
    const idOf = async (path: string, headers: Record<string, string> = {}) =>
      (await call(app.url, "GET", path, undefined, headers)).headers.get("x-request-id") ?? "";
    for (const path of ["/livez", "/list", "/nothing", "/%zz"]) {
      expect(await idOf(path, { "x-request-id": "trace-1:a.b_c" }), path).toBe("trace-1:a.b_c");
      const made = await Promise.all([idOf(path), idOf(path)]);
      for (const id of made) expect(id, path).toMatch(/^[\w-]{20,}$/);
      expect(made[0]).not.toBe(made[1]);
      for (const bad of ["a b", "x".repeat(129), '"quoted"', "<b>"])
        expect(await idOf(path, { "x-request-id": bad }), path).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

describe("logs", () => {
  test("are JSON lines without addresses, secrets and content", async () => {
    const key = "canary-key-of-the-service";
    const smtp = await startSmtp({
      options: {
        allowInsecureAuth: true,
        onAuth: (_auth, _session, callback) => callback(null, { user: "x" }),
      },
      onRecipient: (address) =>
        address.startsWith("canary-gone") ? { code: 550, text: `5.1.1 no ${address}` } : undefined,
      onData: (mail, offered) =>
        offered === 0 ? { code: 451, text: `canary-answer for ${mail.to}, try later` } : undefined,
    });
    const uri = newDatabase();
    const users = dbOf(uri).collection<{ _id: ObjectId; email?: string; notifications?: unknown }>("users");
    const [gone, broken] = [newUser(), newUser()];
    await users.insertMany([
      { _id: new ObjectId(gone), email: "canary-gone@users.example" },
      { _id: new ObjectId(broken), email: "canary-broken@users.example", notifications: "canary-value" },
    ]);
    const service = await spawnService({
      DB_URI: uri,
      ...smtp.variables,
      SMTP_EMAIL: "canary-sender@sender.example",
      SMTP_NAME: "canary-name",
      SMTP_LOGIN: "canary-login",
      SMTP_PASSWORD: "canary-password",
      EMAIL: "canary-user@users.example",
      RECEIVER_PHONE_NUMBER: "+12025550142",
      API_KEYS: key,
      LOG_LEVEL: "trace",
      RETRY_DELAY_MS: "20",
    });
    const bearer = { authorization: `Bearer ${key}` };
    const data = { "canary-field": "canary-data", html: "<b>canary-body</b>" };
    const ask = (body: unknown, headers: Record<string, string> = bearer) =>
      call(service.url, "POST", "/create", body, headers);
    const statusOf = async (answer: Promise<Answer>) => (await answer).status;
    expect(await statusOf(ask({ user_id: newUser(), key: "new_login", data }))).toBe(201);
    expect(await statusOf(ask({ user_id: gone, key: "new_login", data }))).toBe(201);
    expect(await statusOf(ask({ user_id: broken, key: "new_message", data }))).toBe(409);
    expect(await statusOf(ask({ user_id: broken, key: "new_login", data }))).toBe(409);
    expect(await statusOf(ask({ user_id: "canary-id", key: "canary-key", "canary-more": 1 }))).toBe(400);
    expect(await statusOf(ask('{"canary-json":'))).toBe(400);
    expect(await statusOf(ask("canary-form", { ...bearer, "content-type": "text/canary" }))).toBe(415);
    expect(await statusOf(ask({}, { authorization: "Bearer canary-wrong" }))).toBe(401);
    const get = (path: string) => statusOf(call(service.url, "GET", path, undefined, bearer));
    expect(await get("/list?user_id=canary-query")).toBe(400);
    expect(await get("/canary-path?canary=1")).toBe(404);
    expect(await get("/%zz-canary")).toBe(400);
    expect(await get(`/list?user_id=${gone}`)).toBe(200);
    const garbage = connect(Number(new URL(service.url).port), "127.0.0.1");
    garbage.on("error", () => {}).end("canary-garbage\r\n\r\n");
    await new Promise((resolve) => garbage.resume().on("close", resolve));

    const states = async () =>
      (await dbOf(uri).collection("deliveries").find().toArray()).map((one) => one.state).sort();
    await eventually(async () => (await states()).join() === "failed,sent", "one mail sent and one refused");
    // The fail point is for users, because the workers query deliveries all the time.
    const heal = await failCommands(
      client,
      { times: 1 },
      { failCommands: ["find"], errorCode: 1, appName: "belfry", namespace: users.namespace },
    );
    expect(await get(`/list?user_id=${gone}`)).toBeGreaterThanOrEqual(500);
    await heal();
    service.kill("SIGTERM");
    expect(await service.ended).toBe(0);
    await smtp.close();

    const lines = (
      await eventually(() => /"msg":"stopped"/.test(service.output()) && service.output(), "its last line")
    )
      .trim()
      .split("\n");
    for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow();
    const requests = lines.map((line) => JSON.parse(line)).filter((line) => line.msg === "request");
    expect(requests.length).toBeGreaterThanOrEqual(12);
    for (const line of requests)
      expect(line).toMatchObject({ reqId: expect.any(String), route: expect.any(String) });
    expect(lines.filter((line) => /canary/i.test(line))).toStrictEqual([]);
    for (const word of ["users.example", "sender.example", "<b>", "2025550142"])
      expect(service.output()).not.toContain(word);
  });
});

describe("overload", () => {
  test("requests above the commit queue limit get 503 overloaded with Retry-After; later ones are served", async () => {
    const uri = newDatabase();
    const app = await startService({ DB_URI: uri, COMMIT_QUEUE_LIMIT: "1" });
    expect((await create(app.url)).status).toBe(201);
    await client.db("admin").command({
      configureFailPoint: "failCommand",
      mode: { times: 1 },
      data: {
        failCommands: ["update"],
        blockConnection: true,
        blockTimeMS: 700,
        appName: "belfry",
        namespace: dbOf(uri).collection("users").namespace,
      },
    });
    const answers = await Promise.all(Array.from({ length: 40 }, () => create(app.url)));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(40);
    for (const { status, body, headers } of refused) {
      expect([status, headers.get("retry-after")]).toStrictEqual([503, "2"]);
      expect(body).toStrictEqual({
        success: false,
        error: { code: "overloaded", message: expect.stringMatching(/./) },
      });
    }
    for (let n = 0; n < 5; n++) expect((await create(app.url)).status).toBe(201);
    const stored = await dbOf(uri).collection("users").countDocuments();
    expect(stored).toBe(1 + answers.length - refused.length + 5);
  });

  test("reads are limited, too", async () => {
    const uri = newDatabase();
    const app = await startService({ DB_URI: uri, COMMIT_QUEUE_LIMIT: "1" });
    await client.db("admin").command({
      configureFailPoint: "failCommand",
      mode: { times: 4 },
      data: {
        failCommands: ["find"],
        blockConnection: true,
        blockTimeMS: 500,
        appName: "belfry",
        namespace: dbOf(uri).collection("users").namespace,
      },
    });
    const list = () => call(app.url, "GET", `/list?user_id=${newUser()}`);
    const answers = await Promise.all(Array.from({ length: 40 }, list));
    const codes = new Set(answers.map(({ status, body }) => `${status} ${body.error?.code ?? ""}`));
    expect([...codes].sort()).toStrictEqual(["200 ", "503 overloaded"]);
    await eventually(async () => (await list()).status === 200, "a list that is served again");
  });
});

/** The value of one series in a scrape, by its name and labels as they are written there. */
function value(text: string, series: string): number | undefined {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
