import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freshDatabase } from "./support/database.ts";
import { eventually } from "./support/eventually.ts";
import { freePort } from "./support/free-port.ts";
import { call } from "./support/http.ts";
import { spawnMain, startService } from "./support/service.ts";
import { startStandalone } from "./support/standalone.ts";

const { uri } = freshDatabase();
const login = "canary-user:canary-pass@";

test("a start waits for a MongoDB that comes up later, and says so", async () => {
  const port = await freePort();
  const service = spawnMain({ DB_URI: `mongodb://127.0.0.1:${port}/late` });
  await eventually(
    () => service.output().includes(`MongoDB at 127.0.0.1:${port} does not answer yet; waiting`),
    "it says what it waits for",
  );
  const mongod = await startStandalone({ port });
  onTestFinished(() => mongod.close());
  await eventually(() => service.output().includes("Belfry is ready"), "it is ready", 60);
  expect(service.output()).toContain(`at 127.0.0.1:${port}, database late`);
  await service.close();
});

test("a start gives up after DB_WAIT_SECONDS and names host and port, not the login", async () => {
  const port = await freePort();
  const service = spawnMain({
    DB_URI: `mongodb://${login}127.0.0.1:${port}/x?serverSelectionTimeoutMS=300`,
    DB_WAIT_SECONDS: "1",
  });
  expect(await service.ended).toBe(1);
  await eventually(() => service.child.stdout?.readableEnded, "the end of its output");
  expect(service.output()).toMatch(new RegExp(`MongoDB at 127.0.0.1:${port} did not answer for \\d+ s`));
  expect(service.output()).not.toContain("canary");
});

test("a refused login stops the start at once", async () => {
  const mongod = await startStandalone({ flags: ["--auth"] });
  onTestFinished(() => mongod.close());
  const { host } = new URL(mongod.uri);
  const service = spawnMain({ DB_URI: `mongodb://${login}${host}/x`, DB_WAIT_SECONDS: "3600" });
  expect(await service.ended).toBe(1);
  await eventually(() => service.child.stdout?.readableEnded, "the end of its output");
  expect(service.output()).toContain(`MongoDB at ${host} refuses the login`);
  expect(service.output()).not.toContain("canary");
});

test("an unknown option in DB_URI stops the start at once", async () => {
  const service = spawnMain({
    DB_URI: `mongodb://${login}127.0.0.1:1/x?colour=red`,
    DB_WAIT_SECONDS: "3600",
  });
  expect(await service.ended).toBe(1);
  await eventually(() => service.child.stdout?.readableEnded, "the end of its output");
  expect(service.output()).toMatch(/DB_URI is not valid: .*colour/);
  expect(service.output()).not.toContain("canary");
});

test("SIGTERM ends a start that waits", async () => {
  const service = spawnMain({ DB_URI: `mongodb://127.0.0.1:${await freePort()}/x`, DB_WAIT_SECONDS: "3600" });
  await eventually(() => service.output().includes("does not answer yet"), "it waits");
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
});

test("for people, the first start prints three lines: database, console, how to stop", async () => {
  const mongod = await startStandalone();
  onTestFinished(() => mongod.close());
  const folder = mkdtempSync(join(tmpdir(), "belfry-first-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, ".env"), `\uFEFFDB_URI=${mongod.uri}\r\n`);
  const service = spawnMain({ LOG_FORMAT: "pretty" }, { cwd: folder });
  await eventually(() => service.output().includes("Ctrl+C"), "it is ready");
  const lines = service
    .output()
    .split("\n")
    .filter((line) => /^(Database|Console|Stop)/.test(line));
  expect(lines).toEqual([
    expect.stringMatching(/^Database {2}MongoDB 8\.\S+ at 127\.0\.0\.1:\d+, database standalone$/),
    expect.stringMatching(/^Console {3}http:\/\/127\.0\.0\.1:\d+\/$/),
    "Stop      Ctrl+C",
  ]);
  await service.close();
});

test("a mail goes to the address in REGISTERED_RECEIVER_EMAIL when that has a name", async () => {
  const { url } = await startService({
    DB_URI: uri,
    REGISTERED_RECEIVER_EMAIL: "John Doe <johndoe@email.com>",
  });
  const body = { user_id: "638f394d4b7243fc0399ea67", key: "new_login" };
  expect((await call(url, "POST", "/create", body)).status).toBe(201);
  const mail = await eventually(
    async () => (await call(url, "GET", "/v1/captured")).body.data[0],
    "a captured mail",
  );
  expect(mail).toMatchObject({ channel: "email", to: "johndoe@email.com" });
});
