import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runFetching } from "./progress.ts";
import { run } from "./run.ts";
import type { Log } from "./types.ts";

/**
 * Knows which of MongoDB's builds fits which system. It is not among our dependencies because it brings a MongoDB driver of
 * its own, and few installations need it.
 */
const LIBRARY = "mongodb-memory-server-core@11.3.0";
const INSTALL_LIMIT_MS = 120_000;

// Runs in a child process: the library prints to standard output, reads its settings from the environment, and can
// only be stopped from outside.
const SCRIPT = `
const { MongoBinary, DryMongoBinary } = require("mongodb-memory-server-core");
DryMongoBinary.generateOptions({ downloadDir: process.argv[1] })
  .then((options) => MongoBinary.download({ ...options, checkMD5: true }))
  .then((path) => console.log("\\n" + path))
  .catch((error) => { console.error(error.message); process.exitCode = 1; });
`;

/** Fetches MongoDB's own build for this system from its download site, and leaves `dir/mongod`. */
export async function fetchFromMongodb(dir: string, log: Log) {
  const work = join(dir, "npm");
  await mkdir(work, { recursive: true });
  const options = ["--prefix", work, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"];
  await run(["npm", "install", LIBRARY, ...options, ...patience], {
    signal: AbortSignal.timeout(INSTALL_LIMIT_MS),
  });
  const env = {
    ...process.env,
    NODE_PATH: join(work, "node_modules"),
    MONGOMS_MAX_RETRIES: "1",
    // The library checks the server's certificate only when this says so, and its MD5 file comes from the same place.
    npm_config_strict_ssl: "true",
  };
  const label = "fetching mongod from MongoDB's download site";
  const said = await runFetching([process.execPath, "-e", SCRIPT, dir], { label, dir, log, env });
  await rename(said.trim().split("\n").pop() ?? "", join(dir, "mongod"));
  await rm(work, { recursive: true, force: true });
}
