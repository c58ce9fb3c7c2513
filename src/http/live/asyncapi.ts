import { type TProperties, type TSchema, Type } from "typebox";
import { InboxItemDto, inboxState } from "../../model/inbox-dto.ts";
import { Notification } from "../dialects/live.ts";

/** Why a WebSocket was closed, and what the client should do; `docs/live.md` lists the same codes. */
export const closeCodes: Record<number, string> = {
  1001: "`leaving`: the server is stopping. Reconnect after the `retry_ms` of `bye`, with the last `rev`.",
  1003: "`text_only`: the client sent a binary message. Fix the client.",
  1008: "Not allowed. The reason is an error code such as `unauthorized`, `forbidden` or `invalid_request`; `token_expired`: reconnect with a new token; `too_many_messages`, or no reason when a message came in too many fragments: send fewer.",
  1009: "The client sent a message of more than 64 KiB. Fix the client.",
  1011: "`internal`: a defect of the server. Reconnect after some seconds, with the last `rev`.",
  1013: "Try again later: `too_many_connections`, `overloaded`, `database_unavailable`, `not_reading`. Reconnect after some seconds, with the last `rev`.",
};

interface Message {
  summary: string;
  description?: string;
  contentType?: string;
  payload: TSchema;
}

const Rev = Type.Integer({ description: "The user's `rev` after this change." });
const Change = Type.Union([
  Type.Object({
    change: Type.String({ enum: ["new", "read", "unread", "archived"] }),
    rev: Rev,
    item: Type.Ref("#/components/schemas/Item"),
  }),
  Type.Object({ change: Type.Literal("deleted"), rev: Rev, id: Type.String() }),
]);

/** These are read from the inbox when they are sent. */
const ofABurst =
  "After a burst only the newest `INBOX_LIMIT` are sent: older ones have left the inbox before they could be.";

/** Our own messages, the same on every transport. */
const own: Record<string, Message> = {
  state: {
    summary: "The inbox's counts and `rev`; always the first message",
    payload: Type.Object({ type: Type.Literal("state"), ...inboxState }),
  },
  changes: {
    summary: "Changes since the last message, and the counts after them",
    description:
      "Replace the item with the same id, then drop the oldest items (by `created_rev`, then `id`) beyond `total`. A burst comes as one message, and a slow client gets its missed changes combined.",
    payload: Type.Object({ type: Type.Literal("changes"), ...inboxState, changes: Type.Array(Change) }),
  },
  resync: {
    summary: "The changes are no longer known: read the list again",
    description: "Read it with `GET /v1/users/{id}/inbox`.",
    payload: Type.Object({ type: Type.Literal("resync"), ...inboxState }),
  },
  bye: {
    summary: "The server is stopping; always the last message",
    payload: Type.Object({
      type: Type.Literal("bye"),
      retry_ms: Type.Integer({
        description: "When to reconnect, in milliseconds. It differs from client to client.",
      }),
    }),
  },
};
const ofQueueDialect: Record<string, Message> = {
  message: {
    summary: "The greeting after connecting (for clients of the queue API)",
    payload: Type.String(),
  },
  notification: {
    summary: "A new notification (for clients of the queue API)",
    description: ofABurst,
    payload: Type.Object({ message: Type.String({ description: "Its content." }), id: Type.String() }),
  },
};
const ofLiveDialect: Record<string, Message> = {
  liveNotification: {
    summary: "A new notification (for clients of the live API)",
    description: ofABurst,
    payload: Type.Object({ type: Type.Literal("notification"), data: Notification }),
  },
  echo: {
    summary: "The client's own text, sent back unchanged",
    contentType: "text/plain",
    payload: Type.String({ maxLength: 65_536 }),
  },
};

interface Channel {
  server: "websocket" | "http" | "socketio";
  address: string;
  title: string;
  description: string;
  query: TProperties;
  /** Names of the messages from the service to the client, and from the client. */
  sends: string[];
  receives?: string[];
}

const token = Type.Optional(
  Type.String({
    description: "A user's token or an API key, for clients that cannot send an `Authorization` header.",
  }),
);
const rev = Type.Optional(
  Type.Integer({
    minimum: 0,
    description:
      "The last `rev` that the device knows; 0 sends everything. Without it only later changes are sent.",
  }),
);

const channels: Record<string, Channel> = {
  live: {
    server: "websocket",
    address: "/v1/users/{id}/live",
    title: "WebSocket",
    description: "Each message is one JSON text. The client sends nothing.",
    query: { rev, token },
    sends: Object.keys(own),
  },
  events: {
    server: "http",
    address: "/v1/users/{id}/events",
    title: "Server-sent events",
    description:
      "The event's name is the message's `type`, its id the `rev`, its data the message. `state` has an id only when the client named no `rev`. A browser sends the last id as `Last-Event-ID` when it reconnects; that header overrides `rev`.",
    query: { rev, token },
    sends: Object.keys(own),
  },
  socketio: {
    server: "socketio",
    address: "/socket.io/",
    title: "Socket.IO, default namespace",
    description:
      "Each message is an event of the same name. Put `user_id`, `rev` and `token` into `auth` or the query. A refused client gets a `connect_error`, with an error code in `data.code`.",
    query: { user_id: Type.Optional(Type.String()), rev, token },
    sends: [...Object.keys(own), ...Object.keys(ofQueueDialect)],
  },
  dialect: {
    server: "websocket",
    address: "/ws/v1/notifications/{user_id}",
    title: "WebSocket of the live API",
    description: "Notifications that arrive after connecting, and the client's own texts.",
    query: { token },
    sends: Object.keys(ofLiveDialect),
    receives: ["echo"],
  },
};

/** The AsyncAPI 3.1 document of all live connections. */
export function asyncApiDocument(version: string): object {
  const document = {
    asyncapi: "3.1.0",
    info: {
      title: "Belfry, live",
      version,
      description:
        "Sends every change of a user's inbox to every device. Keep the last `rev` of a list, `changes` or `resync` (of `state` only when you named none) and send it when you reconnect: you get exactly what you missed, or a `resync`. No token is needed while the service has no API keys.",
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: { websocket: server("ws"), http: server("http"), socketio: server("socket.io") },
    channels: mapped(channels, channelObject),
    operations: Object.fromEntries(Object.entries(channels).flatMap(operations)),
    components: {
      messages: mapped({ ...own, ...ofQueueDialect, ...ofLiveDialect }, (name, message) => ({
        name,
        ...message,
      })),
      schemas: { Item: InboxItemDto },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "A user's token (`POST /v1/users/{id}/token`), or an API key.",
        },
        token: { type: "httpApiKey", in: "query", name: "token", description: "The same in the query." },
      },
    },
  };
  return JSON.parse(JSON.stringify(document));
}

const ref = (path: string) => ({ $ref: `#/${path}` });

function mapped<From, To>(all: Record<string, From>, make: (name: string, one: From) => To) {
  return Object.fromEntries(Object.entries(all).map(([name, one]) => [name, make(name, one)]));
}

function server(protocol: string) {
  return {
    host: "{host}",
    protocol,
    variables: { host: { default: "127.0.0.1:3000" } },
    security: [ref("components/securitySchemes/bearer"), ref("components/securitySchemes/token")],
  };
}

function channelObject(_name: string, { server, address, title, description, query, sends }: Channel) {
  return {
    address,
    title,
    description,
    servers: [ref(`servers/${server}`)],
    parameters: Object.fromEntries(
      [...address.matchAll(/{(\w+)}/g)].map(([, name]) => [name, { description: "The user's id." }]),
    ),
    messages: Object.fromEntries(sends.map((message) => [message, ref(`components/messages/${message}`)])),
    ...(server !== "http" && { bindings: { ws: { method: "GET", query: Type.Object(query) } } }),
    ...(server === "websocket" && { "x-close-codes": closeCodes }),
  };
}

function operations([name, { server, title, query, sends, receives }]: [string, Channel]) {
  const channel = ref(`channels/${name}`);
  const inChannel = (messages: string[]) => messages.map((one) => ref(`channels/${name}/messages/${one}`));
  const said = {
    action: "send",
    title,
    channel,
    messages: inChannel(sends),
    ...(server === "http" && { bindings: { http: { method: "GET", query: Type.Object(query) } } }),
  };
  if (!receives) return [[`${name}Says`, said]];
  const reply = { channel, messages: inChannel(receives) };
  const heard = { action: "receive", title: `${title}, echo`, channel, messages: inChannel(receives), reply };
  return [
    [`${name}Says`, said],
    [`${name}Hears`, heard],
  ];
}
