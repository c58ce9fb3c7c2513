import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createBelfry } from "../src/library.ts";
import { usersOf } from "../src/store/inbox.ts";
import { chromiumMissing, openPage } from "./support/chromium.ts";
import { freshDatabase } from "./support/database.ts";
import { freePort } from "./support/free-port.ts";
import { eventually, startService } from "./support/service.ts";
import { startSmtp } from "./support/smtp.ts";

const { uri, client, db } = freshDatabase();
const apiKey = "key-of-sixteen-characters";
const root = fileURLToPath(new URL("..", import.meta.url));
const { PATH = "", HOME = "" } = process.env;

beforeEach(async () => {
  await db.dropDatabase();
});

/** A program of `examples/`, as its head says how to run it; it has the built package by its name. */
async function run(program: string, args: string[], variables: Record<string, string>) {
  const options = { cwd: root, env: { PATH, HOME, ...variables } };
  const argv = [`examples/${program}`, ...args];
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, argv, options, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

test("library: an order is shipped once, with its notification; shipped again, with neither", async () => {
  const smtp = await startSmtp();
  await usersOf(db).insertOne({ _id: "alex", email: "alex@receiver.example" });
  await startService({
    DB_URI: uri,
    NOTIFICATION_TYPES_FILE: "examples/library/types.json",
    ...smtp.variables,
  });
  const first = await run("library/ship.js", ["7", "alex"], { DB_URI: uri });
  expect(first).toEqual({
    code: 0,
    out: expect.stringMatching(/^shipped; notification [0-9a-f]{24}; alex has 1 unread\n$/),
    err: "",
  });
  const again = await run("library/ship.js", ["7", "alex"], { DB_URI: uri });
  expect(again).toEqual({ code: 1, out: "", err: "Error: order 7 has been shipped before\n" });
  expect(await db.collection("deliveries").countDocuments()).toBe(1);
  const mail = await eventually(() => smtp.mails[0], "the mail");
  expect(mail.subject).toBe("Your order 7 is on its way");
  await smtp.close();
});

test("testing: an escalation of an hour is tested in one run, and the suite passes", async () => {
  const ran = await run("testing/comment.test.js", [], { DB_URI: uri });
  expect([ran.code, ran.err]).toEqual([0, ""]);
  expect(ran.out).toMatch(/tests 3\n.*pass 3\n.*fail 0\n/s);
});

test("client-node: follows the inbox, notifies, and reads what has come", async () => {
  const { url } = await startService({ DB_URI: uri, API_KEYS: apiKey });
  const ran = await run("client-node/inbox.js", ["nora"], { BELFRY_URL: url, BELFRY_API_KEY: apiKey });
  expect([ran.code, ran.err]).toEqual([0, ""]);
  // What it notifies may be in the list already, with which it begins.
  expect(ran.out).toMatch(/^(connecting|live): 1 unread of 1\n(.*\n)*live: 0 unread of 1\n$/m);
  const refused = await run("client-node/inbox.js", ["nora"], { BELFRY_URL: url, BELFRY_API_KEY: "wrong" });
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("unauthorized: ")]);
});

test.skipIf(chromiumMissing())(
  "client-browser: a page in a browser has the inbox, changes it, and catches up after it was offline",
  async () => {
    const belfry = createBelfry({ client });
    onTestFinished(() => belfry.close());
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const { url } = await startService({
      DB_URI: uri,
      API_KEYS: apiKey,
      TOKEN_SECRET: "s".repeat(32),
      ALLOWED_ORIGINS: origin,
    });
    await belfry.notify({ user: "alex", type: "new_message", title: "There before" });
    await serve({ PORT: port, BELFRY_URL: url, BELFRY_API_KEY: apiKey });
    const page = await openPage(origin);
    onTestFinished(() => page.close());
    const seen = () =>
      page.evaluate(`[
        document.getElementById("connection")?.textContent,
        document.getElementById("unread")?.textContent,
        [...document.querySelectorAll("li")].map((one) => one.firstChild.data),
      ]`);
    const shows = (...wanted: [connection: string, unread: string, titles: string[]]) =>
      eventually(async () => isDeepStrictEqual(await seen(), wanted), `the page to show ${wanted}`).catch(
        async (error) => {
          throw new Error(`${error.message}; it shows ${await seen()}\n${page.output.join("\n")}`);
        },
      );
    await shows("live", "1", ["There before"]);
    await belfry.notify({ user: "alex", type: "new_message", title: "New" });
    await shows("live", "2", ["New", "There before"]);
    await page.evaluate(`document.querySelector("li button").click()`);
    await shows("live", "1", ["New", "There before"]);
    expect((await belfry.inbox.list({ user: "alex" })).items.map((one) => one.read)).toEqual([true, false]);

    await page.setOffline(true);
    await shows("offline", "1", ["New", "There before"]);
    await belfry.notify({ user: "alex", type: "new_message", title: "Missed" });
    await page.setOffline(false);
    await shows("live", "2", ["Missed", "New", "There before"]);
    expect(page.output).toEqual([]);
  },
);

/** Resolves when it listens. */
async function serve(variables: Record<string, string>): Promise<void> {
  const server = spawn(process.execPath, ["examples/client-browser/serve.js"], {
    cwd: root,
    env: { PATH, HOME, ...variables },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void server.kill());
  await once(createInterface({ input: server.stdout }), "line");
}

test("the examples hold to the package's types", async () => {
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  await promisify(execFile)(process.execPath, [compiler, "-p", "examples"], { cwd: root }).catch(
    ({ stdout }) => {
      throw new Error(stdout);
    },
  );
});

test("the client's modules import each other and nothing else: a browser can have them as they are", () => {
  const folder = new URL("../dist/client/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".js"));
  expect(files).toContain("index.js");
  for (const file of files) {
    const imported = readFileSync(new URL(file, folder), "utf8").matchAll(/(?:from|import)\s*\(?"([^"]+)"/g);
    for (const [, name] of imported)
      expect([file, name]).toEqual([file, expect.stringMatching(/^\.\/[a-z-]+\.js$/)]);
  }
});

test("what `npm pack` takes along is enough to import both, and no more than is needed", async () => {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    env: { PATH, HOME },
  });
  const names: string[] = JSON.parse(stdout)[0].files.map((one: { path: string }) => one.path);
  for (const name of [
    "dist/library.js",
    "dist/library.d.ts",
    "dist/client/index.js",
    "dist/client/index.d.ts",
  ])
    expect(names).toContain(name);
  const notShipped = names.filter((name) =>
    /^(src|test|bench|chaos|dist\/(bench|chaos|src|test))\//.test(name),
  );
  // The documentation shows the plots of the results.
  expect(notShipped.filter((name) => !/^(bench|chaos)\/results\/[\w-]+\.svg$/.test(name))).toEqual([]);
});
