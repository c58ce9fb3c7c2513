import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { newId } from "../../src/store/ids.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";

// test/http/v1/held.test.ts tests how a locked user affects the others.

const { db } = freshDatabase();

test("runs eight users' writes at a time", async () => {
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

test("does not repeat a failed write, and makes the user's next one", async () => {
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
