import { readFileSync } from "node:fs";

/** The package's version; the file stands beside `src` and `dist` alike. */
export const version: string = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
).version;
