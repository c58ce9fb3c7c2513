// `npm start`: builds, then is the service. One process, so that a signal to `npm start` reaches the service.
import { spawnSync } from "node:child_process";

const { status } = spawnSync("npm run --silent build", { shell: true, stdio: "inherit" });
if (status !== 0) process.exit(1);
await import("../dist/main.js");
