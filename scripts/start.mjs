// `npm start`: builds, then is the service. One process instead of two behind `&&`, so no shell has to stay in between.
import { spawnSync } from "node:child_process";

const { status } = spawnSync("npm run --silent build", { shell: true, stdio: "inherit" });
if (status !== 0) process.exit(1);
await import("../dist/main.js");
