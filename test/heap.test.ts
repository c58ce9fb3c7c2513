import { spawnSync } from "node:child_process";
import { getHeapSpaceStatistics } from "node:v8";
import { expect, test } from "vitest";
import { shrinkHeap } from "../src/heap.ts";

const youngBytes = () =>
  getHeapSpaceStatistics().find((one) => one.space_name === "new_space")?.space_size ?? Number.NaN;

/** Makes objects that outlive a few collections, until the young generation is larger than this. */
function grow(bytes: number): number {
  const kept: object[][] = [];
  for (let round = 0; round < 1_000 && youngBytes() <= bytes; round++) {
    kept.push(Array.from({ length: 50_000 }, (_, number) => ({ number, list: [number] })));
    if (kept.length > 4) kept.shift();
  }
  return youngBytes();
}

test("shrinking the heap takes back what the young generation grew by, and it can grow again", async () => {
  const grown = grow(8 * 1024 * 1024);
  expect(grown).toBeGreaterThan(8 * 1024 * 1024);
  await shrinkHeap();
  const shrunk = youngBytes();
  expect(shrunk).toBeLessThan(grown);
  expect(grow(shrunk)).toBeGreaterThan(shrunk);
});

test("shrinking the heap where Node forbids the inspector changes nothing and ends no process", () => {
  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  const heap = new URL("../dist/heap.js", import.meta.url);
  const program = `import { Session } from "node:inspector";
    import { shrinkHeap } from "${heap}";
    try { new Session().connect(); } catch { await shrinkHeap(); console.log("goes on"); }`;
  const options = [permission, "--allow-fs-read=*", "--input-type=module", "--eval", program];
  const { stdout, status } = spawnSync(process.execPath, options, { encoding: "utf8" });
  expect([stdout.trim(), status]).toEqual(["goes on", 0]);
});
