import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { createBelfry } from "../../src/library.ts";
import { freshDatabase } from "../support/database.ts";

// Each command is a process of its own, and several of them are started in most tests.
vi.setConfig({ testTimeout: 240_000 });

const { uri, client } = freshDatabase();
const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** The built program, as an operator types it. */
function belfry(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { env: { PATH, HOME, DB_URI: uri }, cwd: tmpdir() },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

test("send takes a key, replaces by it, and recall takes the notification back by id or key", async () => {
  const send = ["send", "--user", "alex", "--type", "new_login", "--key", "login-1", "--json"];
  const { id } = JSON.parse((await belfry(...send, "--title", "Old")).out);
  expect(JSON.parse((await belfry(...send, "--title", "New", "--replace")).out)).toEqual({
    id,
    replaced: true,
  });
  const inbox = createBelfry({ client }).inbox;
  expect((await inbox.list({ user: "alex" })).items.map(({ title }) => title)).toEqual(["New"]);

  const told = await belfry("recall", id);
  expect(told.code, told.err).toBe(0);
  expect(told.out).toMatch(new RegExp(`${id} +email +stopped: it is not sent +alex`));
  expect(told.out).toMatch(new RegExp(`${id} +inbox +taken out of the inbox +alex`));
  expect((await inbox.list({ user: "alex" })).total).toBe(0);

  const again = JSON.parse((await belfry("recall", "--user", "alex", "--key", "login-1", "--json")).out);
  expect(again.users[0].receipts.map(({ result }: { result: string }) => result)).toEqual([
    "stopped",
    "withdrawn",
  ]);
  const why = await belfry("why", id, "--user", "alex");
  expect(why.out).toMatch(/inbox +taken back by the caller/);
  expect(why.out).toMatch(/email +taken back by the caller/);
  expect((await belfry("recall", "0".repeat(24))).out).toBe("Nothing was found.\n");
});

test("recall refuses a wrong command line", async () => {
  for (const [args, wanted] of [
    [[], "give an id or --key, and not both"],
    [["0".repeat(24), "--key", "a"], "give an id or --key, and not both"],
    [["order-1"], '"order-1" is not a notification\'s id'],
    [["--key", "a"], "--key needs --user"],
    [["--key", "a", "--user", ".."], "--user must have 1 to 128 characters"],
  ] as const) {
    const { code, err } = await belfry("recall", ...args);
    expect([code, err], args.join(" ")).toEqual([2, expect.stringContaining(wanted)]);
  }
  const sent = await belfry("send", "--user", "alex", "--type", "new_login", "--replace");
  expect([sent.code, sent.err]).toEqual([2, expect.stringContaining("--replace needs --key")]);
});
