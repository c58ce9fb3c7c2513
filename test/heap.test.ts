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
