import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { type ClientOptions, WebSocket } from "ws";
import type { WireMessage } from "../../../src/model/inbox-dto.ts";
import { closeAfterTest } from "../../support/closing.ts";

// Devices as programs on the other side of the network have them; all are closed after the test.

export interface Device {
  /** Our own protocol's messages, in the order in which they came. */
  messages: WireMessage[];
  close(): void;
}

export interface SocketDevice extends Device {
  ws: WebSocket;
  /** Every text, as it came. */
  texts: string[];
  /** Resolves with how it ended. A refused upgrade: `code` is the HTTP status. */
  ended: Promise<{ code: number; reason: string }>;
}

/** A WebSocket; `path` on the service at `url`. */
export function openSocket(url: string, path: string, options: ClientOptions = {}): SocketDevice {
  const ws = new WebSocket(url.replace("http", "ws") + path, options);
  const device: SocketDevice = {
    ws,
    texts: [],
    messages: [],
    close: () => ws.terminate(),
    ended: new Promise((resolve) => {
      ws.on("unexpected-response", (_request, response: IncomingMessage) => {
        resolve({ code: response.statusCode ?? 0, reason: response.statusMessage ?? "" });
        ws.terminate();
      });
      ws.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    }),
  };
  ws.on("error", () => {});
  ws.on("message", (data) => {
    const text = String(data);
    device.texts.push(text);
    // The live dialect echoes whatever it is sent.
    if (text.startsWith("{")) device.messages.push(JSON.parse(text));
  });
  closeAfterTest(device.close);
  return device;
}

export interface EventsDevice extends Device {
  status: number;
  headers: IncomingMessage["headers"];
  /** Each block of the stream, as it came. */
  blocks: string[];
  /** The newest id, as a browser would send it when it comes back. */
  lastEventId?: string;
  response: IncomingMessage;
  /** Resolves when the server has ended it. */
  ended: Promise<void>;
  /** The body of an answer that is no stream. */
  body(): Promise<string>;
}

/** An EventSource; resolves with its answer. */
export async function openEvents(
  url: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<EventsDevice> {
  const request = get(url + path, { headers, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.setEncoding("utf8");
  let text = "";
  const device: EventsDevice = {
    status: response.statusCode ?? 0,
    headers: response.headers,
    response,
    blocks: [],
    messages: [],
    close: () => response.destroy(),
    ended: new Promise((resolve) => response.on("close", () => resolve())),
    async body() {
      await device.ended;
      return text;
    },
  };
  response.on("error", () => {});
  response.on("data", (chunk: string) => {
    text += chunk;
    if (!device.headers["content-type"]?.startsWith("text/event-stream")) return;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      take(text.slice(0, end));
      text = text.slice(end + 2);
    }
  });
  closeAfterTest(device.close);
  return device;

  function take(block: string): void {
    device.blocks.push(block);
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
    const id = field("id");
    if (id !== undefined) device.lastEventId = id;
    const data = field("data");
    if (data === undefined) return;
    const message = JSON.parse(data) as WireMessage;
    if (message.type !== field("event")) throw new Error(`event and type differ: ${block}`);
    device.messages.push(message);
  }
}

export interface IoDevice extends Device {
  socket: Socket;
  /** The events that the queue dialect's clients listen for. */
  greetings: unknown[];
  notifications: Array<{ message: string; id: string }>;
  /** Refusals: their message and what comes with it. */
  errors: Array<{ message: string; data?: { code: string } }>;
}

const ownEvents = ["state", "changes", "resync", "bye"] as const;

/** A Socket.IO client, over a WebSocket alone unless `options` say otherwise. */
export function openIo(url: string, options: Partial<ManagerOptions & SocketOptions>): IoDevice {
  const socket = io(url, { transports: ["websocket"], forceNew: true, ...options });
  const device: IoDevice = {
    socket,
    messages: [],
    greetings: [],
    notifications: [],
    errors: [],
    close: () => socket.disconnect(),
  };
  for (const event of ownEvents) socket.on(event, (message) => device.messages.push(message));
  socket.on("message", (greeting) => device.greetings.push(greeting));
  socket.on("notification", (one) => device.notifications.push(one));
  socket.on("connect_error", (error) => device.errors.push(error as IoDevice["errors"][number]));
  closeAfterTest(device.close);
  return device;
}
