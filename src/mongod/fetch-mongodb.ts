import { rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { runFetching } from "./progress.ts";
import type { Log } from "./types.ts";

// Runs in a child process: the library prints to standard output, reads its settings from the environment, and can
// only be stopped from outside.
const SCRIPT = `
const { MongoBinary, DryMongoBinary } = require(process.argv[1]);
DryMongoBinary.generateOptions({ downloadDir: process.argv[2] })
  .then((options) => MongoBinary.download({ ...options, checkMD5: true }))
  .then((path) => console.log("\\n" + path))
  .catch((error) => { console.error(error.message); process.exitCode = 1; });
`;

/** MongoDB's own build for this system from its download site, through mongodb-memory-server-core; leaves `dir/mongod`. */
export async function fetchFromMongodb(dir: string, log: Log) {
  const library = findLibrary();
  const env = {
    ...process.env,
    MONGOMS_MAX_RETRIES: "1",
    // The library checks the server's certificate only when this says so, and its MD5 file comes from the same place.
    npm_config_strict_ssl: "true",
  };
  const label = "fetching mongod from MongoDB's download site";
  const said = await runFetching([process.execPath, "-e", SCRIPT, library, dir], { label, dir, log, env });
  await rename(said.trim().split("\n").pop() ?? "", join(dir, "mongod"));
}

function findLibrary() {
  try {
    return createRequire(import.meta.url).resolve("mongodb-memory-server-core");
  } catch {
    throw new Error("the optional npm package mongodb-memory-server-core is not installed");
  }
}
