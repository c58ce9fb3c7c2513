import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-groups-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    comment: { inbox: true, channels: {}, group: { by: "data.thread", actor: "data.author" } },
  }),
);
const user = "638f394d4b7243fc0399ea67";
const notify = (url: string, data: object) =>
  call(url, "POST", "/v1/notifications", {
    recipients: [user, "bob"],
    type: "comment",
    key: "comment-1",
    title: "A comment",
    data,
  });

test("an item's group and actor are in our own answers and messages, and not in the old contracts'", async () => {
  const { url } = await startService({ DB_URI: uri, NOTIFICATION_TYPES_FILE: file });
  const sockets = [`/v1/users/${user}/live`, `/ws/v1/notifications/${user}`].map((path) => {
    const socket = new WebSocket(url.replace("http", "ws") + path);
    const texts: string[] = [];
    socket.on("message", (data) => texts.push(String(data)));
    return { socket, texts, opened: once(socket, "open") };
  });
  await Promise.all(sockets.map(({ opened }) => opened));
  await eventually(() => sockets[0]?.texts.length === 1, "the state");
  const sent = await notify(url, { thread: "t-1", author: "Maria" });
  expect(sent.status).toBe(201);
  await eventually(() => sockets[0]?.texts.length === 2 && sockets[1]?.texts.length === 1, "the item");
  const [own, old] = sockets.map(({ texts }) => JSON.parse(texts.at(-1) as string));
  for (const { socket } of sockets) socket.close();
  const [{ id }] = sent.body.notifications;

  const marks = { group: "t-1", actor: "Maria" };
  expect(own.changes[0].item).toMatchObject(marks);
  expect((await call(url, "GET", `/v1/users/${user}/inbox`)).body.items).toMatchObject([marks]);
  expect((await call(url, "GET", `/v1/users/${user}/inbox/${id}`)).body.item).toMatchObject(marks);
  expect((await call(url, "GET", "/v1/users/bob/inbox")).body.items).toMatchObject([marks]);

  const known = ["data", "id", "is_new", "key", "timestamp", "user_id"];
  const { list } = (await call(url, "GET", `/list?user_id=${user}`)).body.data;
  expect(Object.keys(list[0]).sort()).toEqual(known);
  const { data } = (await call(url, "GET", `/notification/${user}`)).body;
  for (const one of [data[0], old.data])
    expect(Object.keys(one).sort()).toEqual([
      "created_at",
      "description",
      "identifier",
      "notification_id",
      "read_status",
      "receiver_user_id",
      "title",
      "updated_at",
    ]);
});

test("other things that an older system stored under these names are left out", async () => {
  const { url } = await startService({ DB_URI: uri, NOTIFICATION_TYPES_FILE: file });
  await db.collection<{ _id: string }>("users").insertOne({
    _id: "old",
    notifications: [{ id: "1", is_new: true, user_id: "old", key: "x", timestamp: 1, group: 5, actor: {} }],
  } as never);
  const { status, body } = await call(url, "GET", "/v1/users/old/inbox");
  expect(status).toBe(200);
  expect(body.items[0]).not.toHaveProperty("group");
  expect(body.items[0]).not.toHaveProperty("actor");
});
