import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "dist/cli/main.js");
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

function folderWith(files: Record<string, unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), "belfry-types-"));
  made.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

/** Runs a Node.js program in a folder, without a database. */
function run(cwd: string, file: string, args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...args], { cwd, env: { PATH, HOME } }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}
const belfry = (cwd: string, ...args: string[]) => run(cwd, program, args);

const sms = (text: string, fields: object = {}) => ({ inbox: true, channels: { sms: { text } }, ...fields });

describe("belfry types check", () => {
  test("lists every problem of the types file and of the translations, and fails", async () => {
    const folder = folderWith({
      "types.json": { one: sms("{{ x | shout }}"), two: sms('{{ "gone" | t }}') },
      "locales/de.json": { a: 1 },
      "locales/en.json": "{",
    });
    const { code, out, err } = await belfry(folder, "types", "check", "types.json");
    expect([code, err]).toEqual([1, "4 things are wrong.\n"]);
    expect(out).toMatch(/^BAD +files .*type one, channel sms: .*shout/m);
    expect(out).toMatch(/^BAD +files .*de\.json: a: must be a text/m);
    expect(out).toMatch(/^BAD +files .*en\.json: the file is not JSON/m);
    expect(out).toMatch(/^BAD +en +gone: has no text, and type two, sms text uses it$/m);
    const missing = await belfry(folder, "types", "check", "none.json");
    expect([missing.code, missing.out]).toEqual([1, expect.stringContaining("ENOENT")]);
  });

  test("passes with notes about missing and unused texts, unless it is strict", async () => {
    const folder = folderWith({
      "types.json": { one: sms('{{ "a" | t }}') },
      "locales/en.json": { a: "A", old: "Old" },
      "locales/de.json": {},
    });
    const loose = await belfry(folder, "types", "check", "types.json");
    expect([loose.code, loose.err]).toEqual([0, "9 types, 2 languages. Nothing is wrong.\n"]);
    expect(loose.out).toMatch(/^note +de +lacks a\nnote +en +no template uses old$/m);
    const strict = await belfry(folder, "types", "check", "types.json", "--strict", "--json");
    expect([strict.code, strict.err]).toEqual([1, "2 things are wrong.\n"]);
    expect(
      strict.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { verdict: "note", what: "de", text: "lacks a" },
      { verdict: "note", what: "en", text: "no template uses old" },
    ]);
  });
});

const declared = `
import type { Belfry, NotifyCommand } from "belfry";
import type { BelfryClient, NotifyBody } from "belfry/client";
export async function right(belfry: Belfry, client: BelfryClient): Promise<void> {
  await belfry.notify({ user: "ann", type: "comment", data: { author: "Bo", mood: null } });
  await belfry.notify({ user: "ann", type: "new_login", data: { any: 1 } });
  await belfry.notify({ user: "ann", type: "new_login" });
  await client.notify({ recipients: ["ann"], type: "comment", data: { author: "Bo", likes: 3 } });
  const command: NotifyCommand<"comment"> = { user: "ann", type: "comment", data: { author: "Bo" } };
  const body: NotifyBody<"new_login"> = { recipients: ["ann"], type: "new_login" };
  await belfry.notify(command);
  await client.notify(body);
}
export async function wrong(belfry: Belfry, client: BelfryClient): Promise<void> {
  // @ts-expect-error the data lacks its author
  await belfry.notify({ user: "ann", type: "comment", data: {} });
  // @ts-expect-error the data is missing
  await belfry.notify({ user: "ann", type: "comment" });
  // @ts-expect-error a field that the schema does not have
  await belfry.notify({ user: "ann", type: "comment", data: { author: "Bo", autor: "Bo" } });
  // @ts-expect-error a value that the schema does not allow
  await belfry.notify({ user: "ann", type: "comment", data: { author: "Bo", mood: "angry" } });
  // @ts-expect-error no such type
  await belfry.notify({ user: "ann", type: "coment" });
  // @ts-expect-error a number instead of a text
  await client.notify({ recipients: ["ann"], type: "comment", data: { author: 7 } });
}
`;
const undeclared = `
import type { Belfry } from "belfry";
import type { BelfryClient } from "belfry/client";
export async function any(belfry: Belfry, client: BelfryClient, type: string): Promise<void> {
  await belfry.notify({ user: "ann", type, data: { any: [1] } });
  await client.notify({ recipients: ["ann"], type: "anything" });
}
`;

describe("belfry types generate", () => {
  const comment = sms("x", {
    description: "A new comment",
    data_schema: {
      type: "object",
      required: ["author"],
      properties: {
        author: { type: "string" },
        likes: { type: "integer" },
        mood: { enum: ["glad", null] },
        answers: { type: "array", items: { $ref: "#" } },
      },
    },
  });

  test("writes types with which right data compiles and wrong data does not", async () => {
    const folder = folderWith({
      // Keys that differ only in their punctuation, and one that begins with a digit.
      "types.json": { comment, "2.fa": comment, "2_fa": comment },
      "package.json": { type: "module" },
      "tsconfig.json": {
        compilerOptions: {
          target: "es2023",
          lib: ["es2023", "dom", "esnext.disposable"],
          module: "nodenext",
          types: ["node"],
          strict: true,
          // The generated file is not a `.d.ts` here, so it is checked nevertheless.
          skipLibCheck: true,
          noEmit: true,
        },
        files: ["main.ts", "notifications.ts"],
      },
      "main.ts": declared,
      "undeclared/main.ts": undeclared,
    });
    symlinkTo(folder);
    const { code, out, err } = await belfry(
      folder,
      "types",
      "generate",
      "types.json",
      "--out",
      "notifications.ts",
    );
    expect([code, out, err]).toEqual([0, "", "11 types written to notifications.ts.\n"]);
    expect(readFileSync(join(folder, "notifications.ts"), "utf8")).toContain(
      "/** A new comment */\n    comment: {",
    );
    expect(await tsc(folder)).toBe("");
    const config = JSON.parse(readFileSync(join(folder, "tsconfig.json"), "utf8"));
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ ...config, files: ["undeclared/main.ts"] }),
    );
    expect(await tsc(folder)).toBe("");
  });

  test("prints them without --out, and refuses a file with problems", async () => {
    const folder = folderWith({ "types.json": { comment }, "bad.json": { one: sms("{{") } });
    const { code, out } = await belfry(folder, "types", "generate", "types.json");
    expect([code, out]).toEqual([0, expect.stringMatching(/declare module "belfry" \{[\s\S]*\n\}\n$/)]);
    const bad = await belfry(folder, "types", "generate", "bad.json");
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining("type one, channel sms")]);
  });
});

/** The package as an installation has it: found by its name and its exports. */
function symlinkTo(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/belfry"));
  symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
}

const tsc = async (folder: string) =>
  (await run(folder, join(root, "node_modules/typescript/bin/tsc"), ["-p", "."])).out;
