import { type TProperties, type TSchema, Type } from "typebox";
import { Notification } from "../dialects/live.ts";
import { Item, standing } from "../v1/schemas.ts";

/** Why a WebSocket is closed, and what its client does then; `docs/live.md` lists the same codes. */
export const closeCodes: Record<number, string> = {
  1001: "`leaving`: the server stops. Come back after the `retry_ms` of `bye`, with the last `rev`.",
  1003: "`text_only`: the client has sent bytes. A defect of the client.",
  1008: "Not allowed: an error code such as `unauthorized`, `forbidden` or `invalid_request`; `token_expired`: come back with a new token; `too_many_messages`, or no reason where a text came in too many pieces: send fewer.",
  1009: "The client has sent a text of more than 64 KiB. A defect of the client.",
  1011: "`internal`: a defect of the server. Come back after some seconds, with the last `rev`.",
  1013: "Later: `too_many_connections`, `overloaded`, `database_unavailable`, `not_reading`. Come back after some seconds, with the last `rev`.",
};

interface Message {
  summary: string;
  description?: string;
  contentType?: string;
  payload: TSchema;
}

const Rev = Type.Integer({ description: "The user's `rev` at this change." });
const Change = Type.Union([
  Type.Object({
    change: Type.String({ enum: ["new", "read", "unread", "archived"] }),
    rev: Rev,
    item: Type.Ref("#/components/schemas/Item"),
  }),
  Type.Object({ change: Type.Literal("deleted"), rev: Rev, id: Type.String() }),
]);

/** A socket is no archive: these are read from the inbox when there is something to tell. */
const ofABurst =
  "Of a burst the newest `INBOX_LIMIT`: what has fallen out of the inbox before it could be told is not told.";

/** Of our own: the same on every transport. */
const own: Record<string, Message> = {
  state: {
    summary: "Where the inbox stands: always the first",
    payload: Type.Object({ type: Type.Literal("state"), ...standing }),
  },
  changes: {
    summary: "What has changed since the last message, and where the inbox stands now",
    description:
      "Put each item in the place of the one with its id, then drop the oldest (by `created_rev`, then `id`) beyond `total`. A burst comes as one message, and what a slow client has not read is put together for it.",
    payload: Type.Object({ type: Type.Literal("changes"), ...standing, changes: Type.Array(Change) }),
  },
  resync: {
    summary: "What has changed is not known any more: read the list anew",
    description: "`GET /v1/users/{id}/inbox` has it.",
    payload: Type.Object({ type: Type.Literal("resync"), ...standing }),
  },
  bye: {
    summary: "The server stops: always the last",
    payload: Type.Object({
      type: Type.Literal("bye"),
      retry_ms: Type.Integer({ description: "When to come back. Each client is told another time." }),
    }),
  },
};
const ofQueueDialect: Record<string, Message> = {
  message: { summary: "A greeting on connecting (queue dialect)", payload: Type.String() },
  notification: {
    summary: "A new notification (queue dialect)",
    description: ofABurst,
    payload: Type.Object({ message: Type.String({ description: "Its content." }), id: Type.String() }),
  },
};
const ofLiveDialect: Record<string, Message> = {
  liveNotification: {
    summary: "A new notification (live dialect)",
    description: ofABurst,
    payload: Type.Object({ type: Type.Literal("notification"), data: Notification }),
  },
  echo: {
    summary: "A text of the client, which comes back unchanged",
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
  /** Names of messages, from the service to the client and the other way. */
  says: string[];
  hears?: string[];
}

const token = Type.Optional(
  Type.String({ description: "A user's token or an API key, where no `Authorization` can be sent." }),
);
const rev = Type.Optional(
  Type.Integer({
    minimum: 0,
    description: "The last that the device knows; 0: everything. Without it: what happens from now on.",
  }),
);

const channels: Record<string, Channel> = {
  live: {
    server: "websocket",
    address: "/v1/users/{id}/live",
    title: "WebSocket",
    description: "One JSON text each. A client has nothing to say.",
    query: { rev, token },
    says: Object.keys(own),
  },
  events: {
    server: "http",
    address: "/v1/users/{id}/events",
    title: "Server-sent events",
    description:
      "An event has the message's `type` as name, its `rev` as id, and the message as data; `state` has an id only for a client that named no `rev`. A browser sends the last id as `Last-Event-ID` when it comes back, which counts more than the query's `rev`.",
    query: { rev, token },
    says: Object.keys(own),
  },
  socketio: {
    server: "socketio",
    address: "/socket.io/",
    title: "Socket.IO, default namespace",
    description:
      "Each message is an event of its name. `user_id`, `rev` and `token` stand in `auth` or in the query. Who may not listen gets a `connect_error`, with an error code in `data.code`.",
    query: { user_id: Type.Optional(Type.String()), rev, token },
    says: [...Object.keys(own), ...Object.keys(ofQueueDialect)],
  },
  dialect: {
    server: "websocket",
    address: "/ws/v1/notifications/{user_id}",
    title: "WebSocket of the live dialect",
    description: "New notifications from now on, and the client's own texts.",
    query: { token },
    says: Object.keys(ofLiveDialect),
    hears: ["echo"],
  },
};

/** The AsyncAPI 3.1 document of all sockets. */
export function asyncApiDocument(version: string): object {
  const document = {
    asyncapi: "3.1.0",
    info: {
      title: "Belfry, live",
      version,
      description:
        "Every change of a user's inbox, on every device. Keep the last `rev` of a list, `changes` or `resync` (that of `state` only when you named none), and name it when you connect again: you are told exactly what you missed, or to read the list anew. Without API keys nobody is asked for a token.",
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
      schemas: { Item },
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

function channelObject(_name: string, { server, address, title, description, query, says }: Channel) {
  return {
    address,
    title,
    description,
    servers: [ref(`servers/${server}`)],
    parameters: Object.fromEntries(
      [...address.matchAll(/{(\w+)}/g)].map(([, name]) => [name, { description: "The user's id." }]),
    ),
    messages: Object.fromEntries(says.map((message) => [message, ref(`components/messages/${message}`)])),
    ...(server !== "http" && { bindings: { ws: { method: "GET", query: Type.Object(query) } } }),
    ...(server === "websocket" && { "x-close-codes": closeCodes }),
  };
}

function operations([name, { server, title, query, says, hears }]: [string, Channel]) {
  const channel = ref(`channels/${name}`);
  const inChannel = (messages: string[]) => messages.map((one) => ref(`channels/${name}/messages/${one}`));
  const said = {
    action: "send",
    title,
    channel,
    messages: inChannel(says),
    ...(server === "http" && { bindings: { http: { method: "GET", query: Type.Object(query) } } }),
  };
  if (!hears) return [[`${name}Says`, said]];
  const reply = { channel, messages: inChannel(hears) };
  const heard = { action: "receive", title: `${title}, echo`, channel, messages: inChannel(hears), reply };
  return [
    [`${name}Says`, said],
    [`${name}Hears`, heard],
  ];
}
