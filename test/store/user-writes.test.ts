import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { newId } from "../../src/store/ids.ts";
import { createInboxWriter } from "../../src/store/inbox-writes.ts";
import { createUserWrites, type UserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";
import { openInboxes } from "../support/inbox.ts";

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

test("a removal that MongoDB applied before its time ran out is reported as done, with exact counts", async () => {
  const user = newId();
  const [gone, kept] = [newId(), newId()];
  const inbox = openInboxes(db, 100);
  await inbox.notify(user, { id: gone }, { id: kept });
  // The first try is applied; its answer is an error of time.
  const applied: UserWrites = async (_user, attempt) => {
    await attempt({});
    return attempt({});
  };
  const writer = createInboxWriter(db, 100, Date.now, applied);
  expect(await writer.remove(user, gone)).toMatchObject({ total: 1, unread: 1 });
  expect(await writer.remove(user, newId())).toBeUndefined();
  expect(await inbox.read({ user, skip: 0, limit: 10 })).toMatchObject({ total: 1, items: [{ id: kept }] });
});
