import { expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const user = "638f394d4b7243fc0399ea67";

test("a process that only sends shows its health, its providers and its metrics, and nothing else", async () => {
  const variables = { DB_URI: uri, EMAIL: "user@example.com" };
  const api = await startService({ ...variables, ROLES: "api" });
  const worker = await startService({ ...variables, ROLES: "worker" });
  await call(api.url, "POST", "/create", { user_id: user, key: "new_login" });
  await eventually(() => db.collection("deliveries").findOne({ state: "sent" }), "the worker sends it");
  expect((await call(worker.url, "GET", "/livez")).status).toBe(200);
  expect((await call(worker.url, "GET", "/readyz?verbose")).body).toMatchObject({
    status: "ready",
    providers: { email: { capture: { state: "ok" } } },
  });
  // The outcome is visible before the worker knows that it is stored.
  await eventually(async () => {
    const metrics = await call(worker.url, "GET", "/metrics");
    return /^belfry_deliveries_total\{channel="email",outcome="sent"\} 1$/m.test(metrics.body);
  }, "the one that was sent in the metrics");
  for (const path of [
    "/",
    "/docs",
    "/openapi.json",
    `/list?user_id=${user}`,
    "/v1/deliveries",
    "/v1/captured",
  ])
    expect((await call(worker.url, "GET", path)).status, path).toBe(404);
  expect((await call(api.url, "GET", "/readyz?verbose")).body).not.toHaveProperty("providers");
});

test("without API_KEYS a page whose host name points to this service is refused (DNS rebinding)", async () => {
  const { url } = await startService({ DB_URI: uri });
  const { port } = new URL(url);
  const ask = async (host: string) => {
    const { default: http } = await import("node:http");
    return new Promise<number | undefined>((resolve, reject) => {
      http
        .get({ host: "127.0.0.1", port, path: "/livez", headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
        .on("error", reject);
    });
  };
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "localhost", `[::1]:${port}`, "127.8.8.8"])
    expect(await ask(host), host).toBe(200);
  for (const host of [
    "evil.example",
    `evil.example:${port}`,
    "localhost.evil.example",
    "127.0.0.1.evil.example",
  ])
    expect(await ask(host), host).toBe(403);
});

test("with API_KEYS any host name is accepted; with AUTH=off it must be in ALLOWED_HOSTS", async () => {
  for (const [more, expected] of [
    [{ API_KEYS: "0123456789abcdef" }, 200],
    [{ AUTH: "off", ALLOWED_HOSTS: "belfry.internal" }, 200],
    [{ AUTH: "off" }, 403],
  ] as const) {
    const { url } = await startService({ DB_URI: uri, ...more });
    const { default: http } = await import("node:http");
    const status = await new Promise((resolve) =>
      http.get(`${url}/livez`, { headers: { host: "belfry.internal" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }),
    );
    expect(status, JSON.stringify(more)).toBe(expected);
  }
});

test("a wrong method on a path with an id is 405 with Allow", async () => {
  const { url } = await startService({ DB_URI: uri });
  const answers = [
    ["POST", "/users/4/notifications", "GET, HEAD"],
    ["DELETE", `/v1/deliveries/${user}`, "GET, HEAD"],
    ["GET", `/v1/deliveries/${user}/retry`, "POST"],
  ] as const;
  for (const [method, path, allow] of answers) {
    const answer = await call(url, method, path);
    expect(answer, path).toMatchObject({ status: 405, body: { code: "method_not_allowed" } });
    expect(answer.headers.get("allow"), path).toBe(allow);
  }
  expect((await call(url, "GET", "/users/4/notifications/5")).status).toBe(404);
});

test("a foreign element among a user's notifications does not hide the others", async () => {
  const { url } = await startService({ DB_URI: uri });
  const other = "638f394d4b7243fc0399ea68";
  await call(url, "POST", "/create", { user_id: other, key: "new_message" });
  const { ObjectId } = await import("mongodb");
  // biome-ignore lint/suspicious/noExplicitAny: the pushed element has a foreign shape.
  const push: any = { notifications: { $each: [null, 7, { id: "x" }, { text: "ours" }] } };
  await db.collection("users").updateOne({ _id: new ObjectId(other) }, { $push: push });
  const { status, body } = await call(url, "GET", `/list?user_id=${other}`);
  expect(status).toBe(200);
  expect(body.data.list).toHaveLength(1);
});
