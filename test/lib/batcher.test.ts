import { expect, test } from "vitest";
import { createBatcher } from "../../src/lib/batcher.ts";
import { BelfryError } from "../../src/model/errors.ts";

/** A `run` that ends each batch when told. */
function manual<Item, Result>(answer: (item: Item) => Result | Error) {
  const batches: Item[][] = [];
  const ends: Array<() => void> = [];
  return {
    batches,
    run(items: Item[]) {
      batches.push(items);
      return new Promise<Array<Result | Error>>((resolve) => ends.push(() => resolve(items.map(answer))));
    },
    /** Lets the oldest batch under way come to its end. */
    async finish() {
      await turn();
      ends.shift()?.();
      await turn();
    },
  };
}
/** One round of the event loop: batches begin in `setImmediate`. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("an idle service handles a single request at once, without waiting for company", async () => {
  const sizes: number[] = [];
  const batcher = createBatcher<number, number>({
    run: async (items) => {
      sizes.push(items.length);
      return items.map((item) => item * 2);
    },
    maxItems: 100,
    maxWaiting: 100,
  });
  let answered: number | undefined;
  void batcher.submit(21).then((result) => {
    answered = result;
  });
  await turn();
  await turn();
  expect(answered).toBe(42);
  expect(sizes).toEqual([1]);
});

test("what arrives during a batch shares the next one, in order, and never overlaps with it", async () => {
  const work = manual<number, string>((item) => `done ${item}`);
  const batcher = createBatcher({ run: work.run, maxItems: 4, maxWaiting: 100 });
  const first = [batcher.submit(0), batcher.submit(1)];
  await turn();
  const rest = [2, 3, 4, 5, 6, 7].map((item) => batcher.submit(item));
  await turn();
  await turn();
  expect(work.batches).toEqual([[0, 1]]);
  expect(batcher.waiting).toBe(6);
  await work.finish();
  await turn();
  expect(work.batches).toEqual([
    [0, 1],
    [2, 3, 4, 5],
  ]);
  await work.finish();
  await work.finish();
  expect(work.batches.at(-1)).toEqual([6, 7]);
  expect(await Promise.all([...first, ...rest])).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((item) => `done ${item}`),
  );
});

test("a batch is over when its items are too large together; one that is too large by itself goes alone", async () => {
  const work = manual<number, number>((item) => item);
  const bytesOf = (item: number) => item;
  const batcher = createBatcher({ run: work.run, maxItems: 10, maxBytes: 100, bytesOf, maxWaiting: 100 });
  const sizes = [40, 60, 1, 500, 99, 1, 1];
  const all = sizes.map((item) => batcher.submit(item));
  for (const _ of sizes) await work.finish();
  expect(work.batches).toEqual([[40, 60], [1], [500], [99, 1], [1]]);
  expect(await Promise.all(all)).toEqual(sizes);
});

test.each([
  ["by number", { maxItems: 6 }],
  ["by size", { maxItems: 100, maxBytes: 600, bytesOf: () => 100 }],
])(
  "what came together does not go in front of what came later: each has its part of a batch, %s",
  async (_how, limits) => {
    const work = manual<string, string>((item) => item);
    const batcher = createBatcher({ run: work.run, maxWaiting: 100, ...limits });
    const submit = (name: string, count: number, group?: object) =>
      Array.from({ length: count }, (_, n) => batcher.submit(`${name}${n}`, group));
    const all = [...submit("a", 9, {}), ...submit("b", 9, {})];
    await turn();
    all.push(...submit("one", 1), ...submit("c", 2, {}));
    expect(batcher.waiting).toBe(15);
    while (batcher.waiting > 0) await work.finish();
    expect(work.batches).toEqual([
      ["a0", "a1", "a2", "b0", "b1", "b2"],
      ["a3", "a4", "b3", "b4", "one0", "c0"],
      ["a5", "a6", "b5", "b6", "c1", "a7"],
      ["b7", "b8", "a8"],
    ]);
    await work.finish();
    expect(await Promise.all(all)).toHaveLength(21);
  },
);

test("with two in flight two batches run side by side, and not three", async () => {
  const work = manual<number, number>((item) => item);
  const batcher = createBatcher({ run: work.run, maxItems: 1, maxWaiting: 100, inFlight: 2 });
  const all = [1, 2, 3].map((item) => batcher.submit(item));
  for (let round = 0; round < 5; round++) await turn();
  expect(work.batches).toEqual([[1], [2]]);
  for (let round = 0; round < 3; round++) await work.finish();
  expect(await Promise.all(all)).toEqual([1, 2, 3]);
});

test("one item's error reaches its own caller alone", async () => {
  const batcher = createBatcher<number, number>({
    run: async (items) => items.map((item) => (item === 2 ? new Error("two is bad") : item)),
    maxItems: 10,
    maxWaiting: 10,
  });
  const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.submit(item)));
  expect(results).toEqual([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: new Error("two is bad") },
    { status: "fulfilled", value: 3 },
  ]);
});

test("a batch that fails whole fails its own items, and the next one works", async () => {
  let calls = 0;
  const batcher = createBatcher<number, number>({
    run: async (items) => {
      if (calls++ === 0) throw new Error("gone");
      return items;
    },
    maxItems: 2,
    maxWaiting: 10,
  });
  const results = await Promise.allSettled([1, 2, 3].map((item) => batcher.submit(item)));
  expect(results.map((one) => one.status)).toEqual(["rejected", "rejected", "fulfilled"]);
});

test("a full queue refuses with the error of `whenFull`, and takes again once it has room", async () => {
  const work = manual<number, number>((item) => item);
  const batcher = createBatcher({
    run: work.run,
    maxItems: 1,
    maxWaiting: 2,
    whenFull: () => new BelfryError("overloaded"),
  });
  const inFlight = batcher.submit(1);
  await turn();
  const waiting = [batcher.submit(2), batcher.submit(3)];
  const refused = await batcher.submit(4).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(BelfryError);
  expect(refused).toMatchObject({ code: "overloaded", status: 503 });
  await work.finish();
  expect(await inFlight).toBe(1);
  await turn();
  const later = batcher.submit(5);
  for (let round = 0; round < 3; round++) await work.finish();
  expect(await Promise.all([...waiting, later])).toEqual([2, 3, 5]);
  expect(work.batches.flat()).toEqual([1, 2, 3, 5]);
});

test("drained waits for what is waiting and for what is in flight", async () => {
  const work = manual<number, number>((item) => item);
  const batcher = createBatcher({ run: work.run, maxItems: 1, maxWaiting: 10 });
  await batcher.drained();
  const both = [batcher.submit(1), batcher.submit(2)];
  let drained = false;
  const done = batcher.drained().then(() => {
    drained = true;
  });
  await work.finish();
  expect(await both[0]).toBe(1);
  expect(drained).toBe(false);
  await work.finish();
  await done;
  expect(await both[1]).toBe(2);
  await batcher.drained();
});
