import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "./support/database.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const { uri, db } = freshDatabase();
const { PATH = "", HOME = "" } = process.env;
const project = mkdtempSync(join(tmpdir(), "belfry-package-"));
const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"];
/** The floor and the newest that is supported: the tests run on one of them, and the package on the other, too. */
const otherNode = process.version.startsWith("v20.") ? "24" : "20";
let packed: { filename: string; size: number; files: Array<{ path: string }> };

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** In the project, with nothing of ours on the way: as somebody who has installed the package. */
const inProject = (file: string, args: string[]) =>
  run(file, args, { cwd: project, env: { PATH, HOME, DB_URI: uri }, timeout: 230_000 });

const program = `
import { strict as assert } from "node:assert";
import { MongoClient } from "mongodb";
import { type Belfry, type BelfryOptions, BelfryError, createBelfry, type InboxItem, type NotifyCommand } from "belfry";
import { BelfryClient, type BelfryClientError, type LiveView } from "belfry/client";
import type { BelfryInbox } from "belfry/inbox";
import { createTestBelfry, type SentMessage, type TestBelfry } from "belfry/testing";

const client = new MongoClient(process.env["DB_URI"] ?? "");
const options: BelfryOptions = { client, types: { shipped: { inbox: true, channels: { email: { subject: "Shipped" } } } } };
const belfry: Belfry = createBelfry(options);
const command: NotifyCommand = { user: "alex", type: "shipped", title: "Hello", data: { order: 7 } };
const { id } = await client.withSession((session) =>
  session.withTransaction(() => belfry.notify(command, { session })),
);
const { items } = await belfry.inbox.list({ user: "alex" });
const item: InboxItem | undefined = items[0];
assert.equal(item?.id, id);
await assert.rejects(belfry.inbox.get("alex", "0".repeat(24)), BelfryError);
const tag = (element: BelfryInbox): string | undefined => element.user;
const view = ({ items: all }: LiveView): number => all.length;
const code = (error: BelfryClientError): string => error.code;
assert.equal([tag, view, code].length, 3);
assert.throws(() => new BelfryClient({ server: "http://127.0.0.1:1" }).live({ onChange: () => {} }), { code: "no_user" });
const tested: TestBelfry = await createTestBelfry({ client, database: "tested", types: options.types ?? {}, start: "2026-03-01" });
await tested.notify({ user: "alex", type: "shipped" });
const [mail]: SentMessage[] = tested.sentTo("alex", "shipped");
assert.equal(mail?.at, "2026-03-01T00:00:00.000Z");
assert.throws(() => tested.nothingSent(), { code: "ERR_ASSERTION" });
await tested.close();
await client.db("tested").dropDatabase();
await belfry.close();
await client.close();
console.log("ran on", process.version);
`;

beforeAll(async () => {
  const { stdout } = await run(
    "npm",
    ["pack", "--ignore-scripts", "--json", "--pack-destination", project, ...quiet],
    { cwd: root },
  );
  packed = JSON.parse(stdout)[0];
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  await inProject("npm", ["install", `./${packed.filename}`, "mongodb@7", "@types/node@20", ...quiet]);
}, 240_000);

describe("the package", { timeout: 240_000 }, () => {
  test("has what runs and what its pages link to, and neither tests nor source maps", () => {
    const files = packed.files.map(({ path }) => path);
    const wrong = files.filter((path) =>
      /\.map$|^(?!examples\/).*\.test\.|^(?:test|src|scripts)\/|^dist\/(?:bench|chaos|test)\//.test(path),
    );
    expect(wrong).toEqual([]);
    expect(packed.size).toBeLessThan(3_000_000);
    const isThere = (path: string) => files.some((file) => file === path || file.startsWith(`${path}/`));
    const broken = files
      .filter((path) => path.endsWith(".md"))
      .flatMap((page) =>
        linksOf(readFileSync(join(root, page), "utf8"))
          .map((link) => posix.join(posix.dirname(page), link).replace(/\/$/, ""))
          .filter((target) => target !== "." && !isThere(target))
          .map((target) => `${page} → ${target}`),
      );
    expect(broken).toEqual([]);
    const mapped = files.filter(
      (path) =>
        path.endsWith(".js") && readFileSync(join(root, path), "utf8").includes("//# sourceMappingURL="),
    );
    expect(mapped).toEqual([]);
  });

  test("uses the caller's mongodb: there is one copy of it", async () => {
    const copies = readdirSync(join(project, "node_modules"), { recursive: true, encoding: "utf8" })
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => /(?:^|\/)mongodb\/package\.json$/.test(path));
    expect(copies).toEqual(["mongodb/package.json"]);
    const { version } = JSON.parse(readFileSync(join(project, "node_modules/mongodb/package.json"), "utf8"));
    const { stdout } = await inProject("npm", ["view", "mongodb@7", "version", "--json", ...quiet]);
    expect(version).toBe([JSON.parse(stdout)].flat().at(-1));
  });

  for (const { module, resolution } of [
    { module: "nodenext", resolution: "nodenext" },
    { module: "esnext", resolution: "bundler" },
  ])
    test(`compiles under --strict with moduleResolution ${resolution}, and runs`, async () => {
      const folder = join(project, resolution);
      mkdirSync(folder);
      writeFileSync(join(folder, "main.ts"), program);
      const compilerOptions = {
        target: "es2023",
        lib: ["es2023", "dom", "esnext.disposable"],
        module,
        moduleResolution: resolution,
        types: ["node"],
        strict: true,
        skipLibCheck: false,
        rootDir: ".",
        outDir: "out",
      };
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["main.ts"] }));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const compiled = await inProject(process.execPath, [tsc, "-p", folder]).catch((error) => error);
      expect(compiled.stdout).toBe("");
      const { stdout } = await inProject(process.execPath, [join(folder, "out/main.js")]);
      expect(stdout).toBe(`ran on ${process.version}\n`);
      expect(await db.collection("deliveries").countDocuments()).toBeGreaterThan(0);
    });

  test("brings the command line", async () => {
    const { stdout } = await inProject("npx", ["belfry", "--help"]);
    expect(stdout).toMatch(/^ {2}start /m);
  });

  test(`runs on Node ${otherNode}, too`, async ({ skip }) => {
    const found = await inProject("npx", ["--yes", `node@${otherNode}`, "-p", "process.execPath"]).catch(
      (error: Error) => error,
    );
    // A laptop may be offline; a build server is not.
    if (found instanceof Error && !process.env.CI)
      skip(`Node ${otherNode} cannot be fetched: ${found.message}`);
    if (found instanceof Error) throw found;
    const node = found.stdout.trim();
    const ran = await inProject(node, ["nodenext/out/main.js"]);
    expect(ran.stdout).toMatch(new RegExp(`^ran on v${otherNode}\\.`));
    const help = await inProject(node, ["node_modules/.bin/belfry", "--help"]);
    expect(help.stdout).toMatch(/^ {2}start /m);
  });
});

/** Where a page leads: relative links and pictures, without what follows a `#`. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)]
    .map(([, link, attribute]) => (link ?? attribute ?? "").split("#")[0] ?? "")
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}
