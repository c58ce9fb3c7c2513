import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createBelfry } from "../../src/library.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

const { uri, client, db } = freshDatabase();
const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** The built program, as an operator types it. */
function belfry(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, DB_URI: uri };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, cwd: tmpdir() }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

test("the command line, the library and the API see the same topics and subscribers", {
  timeout: 120_000,
}, async () => {
  const { url } = await startService({ DB_URI: uri });
  const library = createBelfry({ client, database: db.databaseName });
  const { topics } = library;
  const folder = mkdtempSync(join(tmpdir(), "belfry-topics-"));
  const file = join(folder, "users.txt");
  writeFileSync(file, Array.from({ length: 1_200 }, (_, at) => `user ${at}\r\n`).join(""));
  try {
    expect((await belfry("topics", "put", "post:7", "--title", "Post 7", "--open")).out).toBe(
      "The topic post:7 is created.\n",
    );
    expect(await topics.get("post:7")).toMatchObject({ title: "Post 7", open: true, subscribers: 0 });
    expect((await belfry("topics", "subscribe", "post:7", "--file", file)).out).toBe(
      "1200 users subscribed.\n",
    );
    expect((await belfry("topics", "subscribe", "post:7", "--users", "user 7, alex")).out).toBe(
      "1 user subscribed. 1 user had subscribed before.\n",
    );
    expect((await belfry("topics", "unsubscribe", "post:7", "--users", "user 7", "--json")).out).toBe(
      '{"added":0,"removed":1}\n',
    );
    expect((await belfry("topics", "show", "post:7")).out).toBe(
      "post:7 (Post 7): 1200 subscribers. Users may subscribe themselves.\n",
    );

    const change = { add: ["64b000000000000000000001", "Maria"], remove: ["user 0"] };
    expect(await topics.change("post:7", change)).toStrictEqual({ added: 2, removed: 1 });
    expect(await topics.subscribe("post:7", "zoe")).toMatchObject({ user_id: "zoe" });
    await topics.unsubscribe("post:7", "zoe");
    expect((await call(url, "GET", "/v1/topics/post:7")).body).toStrictEqual(await topics.get("post:7"));
    const first = await topics.subscribers("post:7", { limit: 2 });
    const second = await topics.subscribers("post:7", { limit: 1_000, cursor: first.next as string });
    const { body } = await call(url, "GET", "/v1/topics/post:7/subscribers?limit=1000");
    expect([...first.data, ...second.data].slice(0, 1_000)).toStrictEqual(body.data);
    const shown = await belfry("topics", "subscribers", "post:7", "--limit", "2", "--json");
    expect(
      shown.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toStrictEqual(first.data);
    expect(shown.err).toContain("There are more than 2.");
    expect(await topics.ofUser("Maria")).toMatchObject({ data: [{ key: "post:7", title: "Post 7" }] });

    await topics.put("news");
    expect((await topics.list()).data.map(({ key }) => key)).toStrictEqual(["news", "post:7"]);
    expect((await belfry("topics")).out).toMatch(/KEY +TITLE +OPEN\nnews +no\npost:7 +Post 7 +yes\n/);
    expect((await belfry("topics", "delete", "post:7", "--yes")).out).toBe("The topic post:7 is deleted.\n");
    await topics.delete("news");
    expect((await belfry("topics")).out).toBe("There are no topics.\n");
    expect(await belfry("topics", "show", "post:7")).toMatchObject({
      code: 1,
      err: "There is no topic post:7.\n",
    });
  } finally {
    rmSync(folder, { recursive: true });
    await library.close();
  }
});

test.each([
  [["subscribe", "post:7"], "give one of --users and --file"],
  [["subscribe", "post:7", "--users", "a,,b"], "--users must have 1 to 128 characters"],
  [["put", "post:7", "--title", "x".repeat(201)], "--title has over 200 characters"],
  [["show", "\u0007"], "<key> must have 1 to 128 characters"],
])("belfry topics %j says what is wrong", async (args, message) => {
  expect(await belfry("topics", ...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
});

test("the library refuses what a request would be refused for, before it opens the database", async () => {
  const library = createBelfry({ client, database: db.databaseName });
  const wrong = (detail: string) => ({ code: "invalid_request", message: expect.stringContaining(detail) });
  await expect(library.topics.put("", {})).rejects.toMatchObject(wrong("key"));
  await expect(library.topics.change("a", { add: ["x"], remove: ["x"] })).rejects.toMatchObject({
    code: "invalid_request",
    details: [{ pointer: "/remove/0", detail: "is the same user as add[0]" }],
  });
  await expect(library.topics.list({ limit: 1_001 })).rejects.toMatchObject(wrong("limit"));
  await expect(library.topics.get("none")).rejects.toMatchObject({ code: "not_found" });
  await library.close();
});
