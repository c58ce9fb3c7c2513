import { expect, test } from "vitest";
import { createCommitQueue } from "../../src/core/commit-queue.ts";
import { newId } from "../../src/store/ids.ts";

const planned = () => ({ id: newId(), user: newId(), deliveries: [] });

/** A queue whose commits end when told; the size of each. */
function manual() {
  const sizes: number[] = [];
  const ends: Array<() => void> = [];
  const queue = createCommitQueue({
    maxItems: 300,
    commit(batch) {
      sizes.push(batch.length);
      return new Promise((resolve) => ends.push(() => resolve(batch.map(() => undefined))));
    },
  });
  return { queue, sizes, end: () => ends.shift()?.() };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const broadcast = ({ queue }: ReturnType<typeof manual>, count: number) =>
  Promise.all(Array.from({ length: count }, () => queue.submit(planned(), undefined, true)));

test("a broadcast alone has three large batches in flight", async () => {
  const work = manual();
  void broadcast(work, 1_800);
  await turn();
  expect(work.sizes).toStrictEqual([500, 500, 500]);
  work.end();
  await turn();
  expect(work.sizes).toStrictEqual([500, 500, 500, 300]);
});

test("a broadcast beside single sends has one small batch in flight, and lets those that are being stored go first", async () => {
  const work = manual();
  const single = work.queue.submit(planned());
  await turn();
  void broadcast(work, 120);
  await turn();
  expect(work.sizes).toStrictEqual([1]);
  work.end();
  await single;
  await turn();
  expect(work.sizes).toStrictEqual([1, 25]);
  work.end();
  await turn();
  expect(work.sizes).toStrictEqual([1, 25, 25]);
});

test("a broadcast submits fewer users at once beside single sends", async () => {
  const work = manual();
  expect(work.queue.bulkPage).toBe(1_000);
  const single = work.queue.submit(planned());
  expect(work.queue.bulkPage).toBe(200);
  await turn();
  work.end();
  await single;
  expect(work.queue.bulkPage).toBe(200);
});

test("a broadcast goes on while single sends never end", async () => {
  const work = manual();
  void work.queue.submit(planned());
  await turn();
  const told = broadcast(work, 10);
  while (work.sizes.length < 2) await turn();
  expect(work.sizes).toStrictEqual([1, 10]);
  work.end();
  work.end();
  await told;
});
