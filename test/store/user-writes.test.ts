import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { newId } from "../../src/store/ids.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";

// What a locked user costs everybody else is in test/http/v1/held.test.ts.

const { db } = freshDatabase();

test("of many users' writes eight run at a time", async () => {
  const writes = createUserWrites(db, true);
  let busy = 0;
  const together: number[] = [];
  const made = await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      writes(newId(), async () => {
        together.push(++busy);
        await turn();
        busy--;
        return n;
      }),
    ),
  );
  expect(Math.max(...together)).toBe(8);
  expect(made).toEqual(Array.from({ length: 300 }, (_, n) => n));
});

test("a write that fails is not made again, and the next one of that user is", async () => {
  const writes = createUserWrites(db, true);
  const user = newId();
  let tries = 0;
  const failing = writes(user, async () => {
    tries++;
    throw new Error("refused");
  });
  await expect(failing).rejects.toThrow("refused");
  expect(await writes(user, async () => tries)).toBe(1);
});
