import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { io } from "socket.io-client";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { closeCodes } from "../src/http/live/asyncapi.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";

const { uri } = freshDatabase();
const guide = readFileSync(new URL("../docs/live.md", import.meta.url), "utf8");
const [forAll, forWebSocket, , forSocketIo] = [...guide.matchAll(/```js\n([\s\S]*?)```/g)].map(
  ([, code]) => code as string,
) as [string, string, string, string];
const key = "a-key-of-the-programs-own";
const authorization = { authorization: `Bearer ${key}` };

test("the guide has the close codes that the AsyncAPI document has", () => {
  const listed = [...guide.matchAll(/^\| (1\d{3}) \|/gm)].map(([, code]) => code);
  expect(listed).toStrictEqual(Object.keys(closeCodes));
});

test.each([
  ["WebSocket", forWebSocket],
  ["Socket.IO", forSocketIo],
])("a page written as the guide says for %s has what the inbox has, whatever happens", async (_, code) => {
  const service = await startService({ DB_URI: uri, API_KEYS: key, TOKEN_SECRET: "s".repeat(32) });
  const user = `ada of ${code.length}`;
  const path = `/v1/users/${encodeURIComponent(user)}`;
  const ask = async (method: string, path: string, body?: unknown) =>
    (await call(service.url, method, path, body, authorization)).body;
  const notify = (title: string) => ask("POST", "/notification/", { title, receiver_user_id: user });

  const connections: Array<{ drop(): void; end(): void }> = [];
  let asked = 0;
  let over = false;
  const page = openPage(forAll.replace("https://belfry.example", service.url).replace("alex", user) + code, {
    getToken: async () => {
      if (++asked % 3 === 0) throw new Error("the page's own server is away");
      return (await ask("POST", `${path}/token`)).token;
    },
    show() {},
    WebSocket: class extends WebSocket {
      constructor(url: string) {
        super(url);
        this.on("error", () => {});
        connections.push({ drop: () => this.terminate(), end: () => this.terminate() });
      }
    },
    io(url: string, options: object) {
      const socket = io(url, { ...options, reconnectionDelay: 10 });
      connections.push({ drop: () => socket.io.engine.close(), end: () => socket.disconnect() });
      return socket;
    },
    setTimeout: (act: () => void) => setTimeout(() => over || act(), 10),
  });
  const same = (what: string) =>
    eventually(async () => {
      const { items, rev, unread } = await ask("GET", `${path}/inbox?archived=any`);
      return isDeepStrictEqual(page(), { items, rev, unread });
    }, `the page has ${what}`);

  await notify("One");
  await same("what came");
  await notify("Two");
  await same("what came next");
  const [two, one] = page().items as [Item, Item];
  expect([one.title, two.title]).toStrictEqual(["One", "Two"]);
  await ask("POST", `${path}/inbox/${one.id}/read`);
  await same("what was read");
  connections.at(-1)?.drop();
  await notify("Three");
  await ask("DELETE", `${path}/inbox/${one.id}`);
  await same("what happened while it was away");
  expect(page().items.map(({ title }) => title)).toStrictEqual(["Three", "Two"]);
  connections.at(-1)?.drop();
  await ask("DELETE", `${path}/inbox/${page().items[0]?.id}`);
  await same("what is left when the newest went");
  expect(page().items.map(({ title }) => title)).toStrictEqual(["Two"]);
  // Its `rev` is now one that the user does not have.
  await ask("DELETE", path);
  await notify("Four");
  await same("what there is after the user was erased");
  expect(page().items.map(({ title }) => title)).toStrictEqual(["Four"]);
  over = true;
  for (const connection of connections) connection.end();
});

interface Item {
  id: string;
  title: string;
  created_rev: number;
}

/** Runs a page's script with these globals. The answer tells what it has, newest first. */
function openPage(script: string, globals: object): () => { items: Item[]; rev: number; unread: number } {
  const state =
    "() => ({ items: [...items.values()].sort((a, b) => b.created_rev - a.created_rev), rev, unread })";
  return new Function(...Object.keys(globals), `${script}\nreturn ${state};`)(...Object.values(globals));
}
