// A MongoDB for `scripts/image-check`: on a TCP port of loopback, since the image has no access to a socket file here.
// Writes its URI into `<folder>/uri` and runs until it is killed.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { defaultCacheDir } from "../dist/mongod/cache.js";
import { findMongod, mongodSources } from "../dist/mongod/find.js";

const folder = process.argv[2];
const data = join(folder, "mongo");
mkdirSync(data);
const { command } = await findMongod(
  mongodSources({ cacheDir: defaultCacheDir(), log: (line) => process.stderr.write(`${line}\n`) }),
);
const port = 20_000 + Math.floor(Math.random() * 10_000);
const [file, ...args] = [
  ...command,
  "--dbpath",
  data,
  "--bind_ip",
  "127.0.0.1",
  "--port",
  `${port}`,
  "--nounixsocket",
];
const mongod = spawn(file, args, { stdio: "ignore" });
process.on("SIGTERM", () => mongod.kill());
mongod.on("exit", () => process.exit());
const look = () =>
  connect(port, "127.0.0.1")
    .on("connect", () => writeFileSync(join(folder, "uri"), `mongodb://127.0.0.1:${port}/image`))
    .on("error", () => setTimeout(look, 100));
look();
