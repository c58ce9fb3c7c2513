import { io } from "socket.io-client";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { freshDatabase } from "../support/database.ts";
import { eventually, startService } from "../support/service.ts";

// Clients of the live and the queue service, as their contracts describe them.

const { uri } = freshDatabase();
const variables = { DB_URI: uri, EMAIL: "old@example.com", RECEIVER_PHONE_NUMBER: "+15550100" };

test("the live service's client listens, creates, lists, reads and gets its own echo", async () => {
  const { url } = await startService(variables);

  // Two tabs of alex and one of bob.
  const tabs = ["alex", "alex", "bob"].map((user) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/v1/notifications/${user}`);
    const received: string[] = [];
    socket.onmessage = ({ data }) => void received.push(String(data));
    const opened = new Promise((resolve) => {
      socket.onopen = resolve;
    });
    return { socket, received, opened };
  });
  await Promise.all(tabs.map((tab) => tab.opened));
  for (const { socket } of tabs) socket.send("hello, are you there?");
  await eventually(() => tabs.every(({ received }) => received.length === 1), "each hears its echo");

  const response = await fetch(`${url}/notification/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      title: "New Message Received",
      description: "Lunch?",
      receiver_user_id: "alex",
      identifier: "MESSAGE",
    }),
  });
  expect(response.status).toBe(201);
  const created = (await response.json()) as { message: string; data: Record<string, unknown> };
  expect(created.message).toBe("new notification created");
  expect(created.data).toEqual({
    notification_id: expect.any(String),
    title: "New Message Received",
    description: "Lunch?",
    receiver_user_id: "alex",
    identifier: "MESSAGE",
    read_status: "unread",
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
  });

  await eventually(
    () => tabs[0]?.received.length === 2 && tabs[1]?.received.length === 2,
    "both of alex's tabs hear of it",
  );
  for (const tab of tabs.slice(0, 2)) {
    expect(tab.received[0]).toBe("hello, are you there?");
    expect(JSON.parse(tab.received[1] as string)).toEqual({ type: "notification", data: created.data });
  }

  const listed = await (await fetch(`${url}/notification/alex?skip=0&limit=10`)).json();
  expect(listed).toEqual({ message: "list of notifications", data: [created.data] });
  const id = created.data.notification_id;
  const read = await fetch(`${url}/notification/read?notification_id=${id}`, { method: "PATCH" });
  expect([read.status, await read.json()]).toEqual([200, { success: true }]);
  const seen = await fetch(`${url}/v1/users/alex/inbox/seen`, { method: "POST" });
  expect(seen.status).toBe(200);
  const again = (await (await fetch(`${url}/notification/alex`)).json()) as { data: unknown[] };
  expect(again.data).toMatchObject([{ notification_id: id, read_status: "read" }]);

  // The live dialect's clients get no event for a read; bob got nothing.
  for (const { socket } of tabs) socket.send("still there?");
  await eventually(() => tabs.every(({ received }) => received.at(-1) === "still there?"), "the last echoes");
  expect(tabs.map(({ received }) => received.length)).toEqual([3, 3, 2]);
  for (const { socket } of tabs) socket.close();
});

test("the queue service's client is greeted and gets only in-app notifications of its own user", async () => {
  const { url } = await startService(variables);
  const clients = [
    { auth: { user_id: 4 } },
    { query: { user_id: "4" } },
    { auth: { user_id: 5 } },
    // As browsers come: by polling first.
    { auth: { user_id: 4 }, transports: ["polling", "websocket"] },
  ].map((options) => {
    const socket = io(url, { forceNew: true, ...options });
    const heard: Array<[event: string, payload: unknown]> = [];
    socket.on("message", (greeting) => heard.push(["message", greeting]));
    socket.on("notification", (notification) => heard.push(["notification", notification]));
    return { socket, heard };
  });
  await eventually(() => clients.every(({ heard }) => heard.length === 1), "all are greeted");
  for (const { heard } of clients) expect(heard).toEqual([["message", expect.any(String)]]);

  const post = async (body: object) => {
    const response = await fetch(`${url}/notifications`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(201);
    return (await response.json()) as { message: string; id: string };
  };
  await post({ user_id: 4, notification_type: "email", content: "by mail" });
  const first = await post({ user_id: 4, notification_type: "in-app", content: "hello" });
  const second = await post({ user_id: 5, notification_type: "in-app", content: "for five" });
  await eventually(() => clients.every(({ heard }) => heard.length === 2), "each is told of its own");
  const [four, , five] = clients.map(({ heard }) => heard[1]);
  expect(four).toEqual(["notification", { message: "hello", id: first.id }]);
  expect(five).toEqual(["notification", { message: "for five", id: second.id }]);
  expect(clients[1]?.heard[1]).toEqual(four);
  expect(clients[3]?.heard[1]).toEqual(four);

  const listed = (await (await fetch(`${url}/users/4/notifications`)).json()) as { data: unknown[] };
  expect(listed.data).toMatchObject([
    { notification_type: "in-app", content: "hello", status: "sent" },
    { notification_type: "email", content: "by mail" },
  ]);
  for (const { socket } of clients) socket.disconnect();
});

test("a client of the queue service that names no user gets an error and no notifications", async () => {
  const { url } = await startService(variables);
  const socket = io(url, { forceNew: true });
  const heard: unknown[] = [];
  socket.onAny((...event) => heard.push(event));
  const refused = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
  expect(refused.message).toContain("user_id");
  expect(heard).toEqual([]);
  socket.disconnect();
});
