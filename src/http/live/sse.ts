import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { BelfryError } from "../../model/errors.ts";
import { fromNow } from "../../model/live.ts";
import { canonicalUser } from "../../model/user-id.ts";
import type { Sink } from "../../realtime/device.ts";
import { userInPath } from "../auth.ts";
import { privateHeaders } from "../errors.ts";
import { UserPath } from "../v1/schemas.ts";
import { changesText, shared, textOf } from "./encode.ts";
import { readRev } from "./handshake.ts";
import type { Peer } from "./heartbeat.ts";
import type { LiveParts } from "./index.ts";
import { textBytes } from "./send-buffer.ts";
import { closeTimeoutMs } from "./websocket.ts";

const Query = Type.Object(
  {
    rev: Type.Optional(
      Type.String({
        maxLength: 16,
        description:
          "The last `rev` that the device knows; 0 sends everything. Without it only later changes are sent.",
      }),
    ),
    token: Type.Optional(
      Type.String({
        maxLength: 8_192,
        description: "A user's token or an API key, for an EventSource, which cannot send headers.",
      }),
    ),
  },
  { additionalProperties: false },
);

/** How long an EventSource waits before it reconnects after a broken connection; random, so that not all come at once. */
const retryMs = () => 1_000 + Math.floor(Math.random() * 2_000);

/** `GET /v1/users/{id}/events`: our own messages as server-sent events (HTML, 9.2). */
export function sseRoute(app: FastifyInstance, { hub, heartbeat, admission }: LiveParts): void {
  app.get<{ Params: { id: string }; Querystring: { rev?: string } }>(
    "/v1/users/:id/events",
    {
      exposeHeadRoute: false,
      config: { user: userInPath("id"), tokenInQuery: true, stream: true },
      schema: {
        tags: ["users"],
        summary: "Follow a user's inbox with server-sent events",
        description:
          "Sends `state` first, then `changes` as they happen. `resync`: read the list again. `bye`: reconnect later. An event's id is its `rev` (`state` has one only when the request named none); a browser sends the last id as `Last-Event-ID` and gets what it missed.",
        params: UserPath,
        querystring: Query,
        headers: Type.Object({
          "last-event-id": Type.Optional(Type.String({ description: "Overrides `rev`." })),
        }),
        response: { 200: { content: { "text/event-stream": { schema: Type.String() } } } },
      },
    },
    async (request, reply) => {
      admission.checkPage(request.raw);
      const user = canonicalUser(request.params.id);
      const lastEvent = request.headers["last-event-id"];
      const since = lastEvent ? readRev(lastEvent, "Last-Event-ID") : readRev(request.query.rev, "?rev");
      const { raw } = reply;
      // The client may have left during the token check, and would be counted forever.
      if (raw.destroyed) return reply.hijack();
      // A pipelined request has no socket yet, so its end would go unnoticed.
      if (!raw.socket)
        throw new BelfryError(
          "invalid_request",
          "An event stream cannot be pipelined. Use a connection of its own.",
        );
      admission.enter(request.raw, user, raw);
      admission.release(raw.socket);
      // The heartbeat detects a dead client.
      raw.socket.setTimeout(0);

      reply.hijack();
      raw.writeHead(200, {
        ...(reply.getHeaders() as OutgoingHttpHeaders),
        "x-request-id": request.id,
        "x-content-type-options": "nosniff",
        "content-type": "text/event-stream",
        ...privateHeaders,
        "x-accel-buffering": "no",
        // The connection ends with the stream, or a stop would wait for it.
        connection: "close",
      });
      raw.write(`retry: ${retryMs()}\n\n`);

      let reads = true;
      let backlog = 0;
      const peer: Peer = {
        expiresAt: request.access?.expiresAt,
        // The client reconnects and gets a 401.
        expire: () => leave(),
        beat() {
          const before = backlog;
          backlog = raw.writableLength;
          // SSE has no pong, so a client is alive while its backlog shrinks.
          if (!reads && before > 0 && backlog >= before) return void raw.destroy();
          reads = false;
          raw.write(":\n\n");
        },
      };
      const subscription = hub.subscribe(
        user,
        since,
        eventSink(raw, since, () => subscription.drained()),
      );
      const leave = () => {
        heartbeat.remove(peer);
        subscription.close();
        endSoon(raw);
      };
      heartbeat.add(peer);
      raw.on("drain", () => {
        reads = true;
        subscription.drained();
      });
      raw.on("close", leave);
      raw.on("error", leave);
      return reply;
    },
  );
}

const changesEvent = shared((changes) => {
  const { type, text } = changesText(changes);
  return Buffer.from(event(type, text, changes.rev));
});

function eventSink(raw: ServerResponse, since: number, drained: () => void): Sink {
  let waiting = 0;
  const onTaken = () => {
    if (--waiting === 0) drained();
  };
  return {
    state(standing) {
      // A client that named a rev is not up to date yet. With this id it would skip the changes in between if it reconnected now.
      const id = since === fromNow ? standing.rev : undefined;
      raw.write(event("state", textOf({ type: "state", ...standing }), id));
    },
    changes(changes) {
      waiting++;
      raw.write(changesEvent(changes), onTaken);
    },
    resync: (standing) => raw.write(event("resync", textOf({ type: "resync", ...standing }), standing.rev)),
    backlog: () => raw.writableLength + waiting * textBytes,
    leave: (ms) => endSoon(raw, `retry: ${ms}\n${event("bye", textOf({ type: "bye", retry_ms: ms }))}`),
  };
}

/** A client that does not read would never reach the end, so it is cut off. */
function endSoon(raw: ServerResponse, last?: string): void {
  if (raw.writableEnded || raw.destroyed) return;
  raw.end(last);
  const timer = setTimeout(() => raw.destroy(), closeTimeoutMs).unref();
  raw.on("close", () => clearTimeout(timer));
}

/** JSON has no line ends of its own, so its text is one `data` line. */
function event(type: string, text: string, rev?: number): string {
  return `${rev === undefined ? "" : `id: ${rev}\n`}event: ${type}\ndata: ${text}\n\n`;
}
