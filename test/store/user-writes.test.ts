import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { newId } from "../../src/store/ids.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";

// What a locked user costs everybody else is in test/http/v1/held.test.ts.

const { db } = freshDatabase();

test("a user's writes are made one by one and in order, those of many users twelve at a time", async () => {
  const writes = createUserWrites(db, true);
  const users = Array.from({ length: 30 }, newId);
  const made = new Map(users.map((user) => [user, [] as number[]]));
  const busy = new Set<string>();
  const together: number[] = [];
  const all = Array.from({ length: 20 }, (_, n) => users.map((user) => [user, n] as const)).flat();
  await Promise.all(
    all.map(([user, n]) =>
      writes(user, async () => {
        expect(busy).not.toContain(user);
        busy.add(user);
        together.push(busy.size);
        await turn();
        busy.delete(user);
        made.get(user)?.push(n);
      }),
    ),
  );
  expect(Math.max(...together)).toBe(12);
  for (const order of made.values()) expect(order).toEqual(Array.from({ length: 20 }, (_, n) => n));
});

test("when 10,000 wait, however many users they are for, the next one is turned away; then there is room again", async () => {
  const writes = createUserWrites(db, true);
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const waiting = Array.from({ length: 10_000 }, () => writes(newId(), () => gate));
  await expect(writes(newId(), () => gate)).rejects.toMatchObject({ code: "overloaded" });
  open();
  await Promise.all(waiting);
  expect(await writes(newId(), async () => "made")).toBe("made");
});

test("a write that fails is not made again, and the next one of that user is", async () => {
  const writes = createUserWrites(db, true);
  const user = newId();
  let tries = 0;
  const failing = writes(user, async () => {
    tries++;
    throw new Error("refused");
  });
  const next = writes(user, async () => tries);
  await expect(failing).rejects.toThrow("refused");
  expect(await next).toBe(1);
});
