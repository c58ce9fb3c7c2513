import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

// Holds the import map of ARCHITECTURE.md. Biome's rule cannot tell a type from a value; this test can.

const root = new URL("../", import.meta.url);

/** Folders and files of `src`, and `mongod`, by the folder that may import them. A folder may always import its own files. */
const values: Record<string, string[]> = {
  model: [],
  lib: [],
  mongod: [],
  client: [],
  store: ["model", "lib"],
  // The kinds of variable (config/variable.ts).
  channels: ["model", "lib", "config"],
  queue: ["model", "lib"],
  realtime: ["model", "lib"],
  // The list of channels (channels/index.ts).
  core: ["model", "lib", "channels"],
  delivery: ["model", "lib"],
  jobs: ["model", "lib"],
  http: ["model", "lib", "core", "channels"],
  cli: [
    "model",
    "lib",
    "core",
    "store",
    "mongod",
    "channels",
    "config",
    "settings.ts",
    "schedule-input.ts",
    // The command `start` runs the service.
    "main.ts",
    "log.ts",
    "version.ts",
  ],
};
const types: Record<string, string[]> = {
  client: ["model"],
  core: ["store", "delivery", "queue", "realtime"],
  delivery: ["store", "channels", "core"],
  jobs: ["store", "core"],
  http: ["store", "delivery", "queue", "realtime", "metrics.ts"],
};

const statement =
  /^(?:import|export)\s+(type\s+)?(?:([^;'"]*?)\s+from\s+)?"([.#][^"]+)"|import\(\s*"([.#][^"]+)"\s*\)/gm;

function importsOf(file: string): Array<{ target: string; isType: boolean }> {
  return [...readFileSync(new URL(file, root), "utf8").matchAll(statement)].map(
    ([, isType, names = "", path, dynamic]) => {
      // `#mongod` is the folder `mongod` (`imports` in package.json).
      const from = ((path ?? dynamic) as string).replace(/^#/, root.href);
      const [first, second] = new URL(from, new URL(file, root)).href.slice(root.href.length).split("/");
      const named = names
        .match(/\{([^}]*)\}/)?.[1]
        ?.split(",")
        .filter((name) => name.trim() !== "");
      const allTypes = named?.every((name) => name.trim().startsWith("type ")) ?? false;
      return {
        target: (first === "src" ? second : first) as string,
        isType: isType !== undefined || allTypes,
      };
    },
  );
}

test.each(Object.keys(values))("%s imports only what ARCHITECTURE.md allows", (folder) => {
  const place = folder === "mongod" ? "mongod" : `src/${folder}`;
  const files = readdirSync(new URL(place, root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${place}/${file}`);
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter(({ target, isType }) => {
        const allowed = [folder, ...(values[folder] as string[]), ...(isType ? (types[folder] ?? []) : [])];
        return !allowed.includes(target);
      })
      .map(({ target }) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("the client's copy of the backoff is lib's", () => {
  const [copy, original] = ["client/backoff.ts", "lib/backoff.ts"].map((file) =>
    readFileSync(new URL(`src/${file}`, root), "utf8"),
  );
  expect(copy?.replace(/^\/\/.*\n\n/, "")).toBe(original);
});
