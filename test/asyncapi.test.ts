import { Parser } from "@asyncapi/parser";
import { Ajv } from "ajv";
import { io } from "socket.io-client";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { asyncApiDocument, closeCodes } from "../src/http/live/asyncapi.ts";
import { version } from "../src/version.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";

const { uri } = freshDatabase();

const document = asyncApiDocument(version) as {
  channels: Record<string, { address: string; messages: Record<string, { $ref: string }> }>;
  components: object;
};

test("the AsyncAPI document has no error, no warning and no hint", async () => {
  const { diagnostics } = await new Parser().parse(JSON.stringify(document));
  expect(diagnostics).toStrictEqual([]);
});

test("what the sockets say is what it tells of them: every message, and no other", async () => {
  const service = await startService({ DB_URI: uri });
  const ws = service.url.replace("http", "ws");
  const heard = Object.keys(document.channels).map((channel) => ({
    channel,
    messages: [] as Array<{ name: string; payload: unknown }>,
  }));
  const hear = (channel: string, name: string, payload: unknown) =>
    heard.find((one) => one.channel === channel)?.messages.push({ name, payload });
  const counts = () => heard.map(({ messages }) => messages.length).join();

  // A `rev` that the user never had: they are told to read the list anew.
  const live = new WebSocket(`${ws}/v1/users/ada/live?rev=99`);
  live.on("message", (data) => {
    const payload = JSON.parse(String(data));
    hear("live", payload.type, payload);
  });
  const events = await fetch(`${service.url}/v1/users/ada/events?rev=99`);
  const ended = eachEvent(events, (name, data) => hear("events", name, JSON.parse(data)));
  const socket = io(service.url, { auth: { user_id: "ada", rev: 99 }, reconnection: false });
  socket.onAny((name, payload) => hear("socketio", name, payload));
  const dialect = new WebSocket(`${ws}/ws/v1/notifications/ada`);
  dialect.on("message", (data) => {
    const text = String(data);
    if (text === "anyone there?") hear("dialect", "echo", text);
    else hear("dialect", "liveNotification", JSON.parse(text));
  });
  dialect.on("open", () => dialect.send("anyone there?"));
  await eventually(() => counts() === "2,2,3,1", "what each says at first");

  // One thing after the other, or a burst would be told in one message.
  const standing = () =>
    heard.map(({ messages }) => (messages.at(-1)?.payload as { rev?: number } | undefined)?.rev);
  const act = async (method: string, path: string, body?: unknown) => {
    const answer = await call(service.url, method, path, body);
    const { rev } = (await call(service.url, "GET", inbox)).body;
    await eventually(
      () => standing()[0] === rev && standing()[1] === rev,
      `${method} ${path} at the devices`,
    );
    return answer.body;
  };
  const inbox = "/v1/users/ada/inbox";
  const first = await act("POST", "/notification/", {
    title: "One",
    description: "of two",
    receiver_user_id: "ada",
    identifier: "MESSAGE",
  });
  await act("POST", "/notification/", { title: "Two", receiver_user_id: "ada" });
  const item = `${inbox}/${first.data.notification_id.split(".")[0]}`;
  await act("POST", `${inbox}/seen`);
  for (const what of ["read", "unread", "archive"]) await act("POST", `${item}/${what}`);
  await act("DELETE", item);
  const closed = new Promise((resolve) => live.on("close", resolve));
  await service.close();
  expect(Object.keys(closeCodes)).toContain(String(await closed));
  await ended;
  const known = (channel: string) => document.channels[channel]?.messages ?? {};
  const unheard = () =>
    heard.flatMap(({ channel, messages }) =>
      Object.keys(known(channel)).filter((name) => !messages.some((one) => one.name === name)),
    );
  await eventually(() => unheard().length === 0, "each message on each channel");

  const ajv = new Ajv({ strict: false, formats: { "date-time": (text) => !Number.isNaN(Date.parse(text)) } });
  ajv.addSchema({ $id: "document", ...exactly(document) });
  for (const { channel, messages } of heard) {
    for (const { name, payload } of messages) {
      expect(Object.keys(known(channel)), channel).toContain(name);
      const matches = ajv.compile({ $ref: `document${known(channel)[name]?.$ref}/payload` });
      expect(
        matches(payload),
        `${channel} ${JSON.stringify(payload)}: ${ajv.errorsText(matches.errors)}`,
      ).toBe(true);
    }
  }
  const changes = heard[0]?.messages.flatMap(({ payload }) =>
    ((payload as { changes?: Array<{ change: string }> }).changes ?? []).map(({ change }) => change),
  );
  expect(changes).toStrictEqual(["new", "new", "read", "unread", "archived", "deleted"]);
});

/** The schemas as they are, but for fields that they do not name: here those are wrong. */
function exactly<Part>(part: Part): Part {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map(exactly) as Part;
  const copy = Object.fromEntries(Object.entries(part).map(([name, one]) => [name, exactly(one)]));
  return { ...("properties" in part && { additionalProperties: false }), ...copy } as Part;
}

/** Resolves when the stream has ended. */
async function eachEvent(response: Response, each: (name: string, data: string) => void): Promise<void> {
  let text = "";
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    const events = (text + Buffer.from(chunk).toString()).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const [name, data] = ["event", "data"].map(
        (field) => new RegExp(`^${field}: (.*)$`, "m").exec(event)?.[1] ?? "",
      ) as [string, string];
      if (name) each(name, data);
    }
  }
}
