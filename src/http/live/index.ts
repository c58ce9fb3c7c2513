import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { BelfryError } from "../../model/errors.ts";
import type { Hub } from "../../realtime/hub.ts";
import { privateHeaders } from "../errors.ts";
import { type Admission, type AdmissionOptions, createAdmission } from "./admission.ts";
import { createHeartbeat, type Heartbeat } from "./heartbeat.ts";
import { createSocketIo } from "./socketio.ts";
import { sseRoute } from "./sse.ts";
import { takeUpgrades } from "./upgrade.ts";
import { createWebSockets } from "./websocket.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The response lasts as long as the client stays connected, so its duration is not measured. */
    stream?: boolean;
  }
}

/** Parts that the server passes to every route. */
type Edge = "authorizer" | "isAllowedOrigin" | "checkHost" | "release";

export interface LiveOptions extends Omit<AdmissionOptions, Edge | "log"> {
  hub: Hub;
  heartbeatMs: number;
  /** Unix milliseconds, on the clock of the tokens. */
  now: () => number;
}

export interface LiveParts {
  hub: Hub;
  heartbeat: Heartbeat;
  admission: Admission;
  heartbeatMs: number;
}

/** At a stop, how long a peer may take to answer the close. */
const leaveMs = 2_000;

/** WebSocket, Socket.IO and server-sent events: three encoders of the hub's one kind of subscription. */
export async function liveRoutes(
  app: FastifyInstance,
  options: LiveOptions & Pick<AdmissionOptions, Edge> & { stripBasePath?: (url: string) => string },
): Promise<void> {
  const { hub, heartbeatMs } = options;
  const admission = createAdmission({ ...options, log: app.log });
  const heartbeat = createHeartbeat(heartbeatMs, options.now);
  const parts = { hub, heartbeat, admission, heartbeatMs };
  const socketIo = createSocketIo(parts);
  const webSockets = createWebSockets(parts);
  const upgraded = takeUpgrades(app.server, {
    hub,
    admission,
    webSockets,
    socketIo,
    stripBasePath: options.stripBasePath ?? ((url) => url),
  });
  sseRoute(app, parts);
  for (const path of ["/v1/users/:id/live", "/ws/v1/notifications/:user_id"])
    app.get(path, { config: { public: true }, schema: { hide: true } }, async () => {
      throw new BelfryError("invalid_request", "Open this path as a WebSocket (`Upgrade: websocket`).");
    });
  await app.register(async (raw) => {
    // The engine reads the bodies.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const url of ["/socket.io", "/socket.io/"])
      raw.route({
        method: ["GET", "POST"],
        url,
        exposeHeadRoute: false,
        // The first packet has the user and the token.
        config: { public: true, shared: true, stream: true },
        schema: { hide: true },
        async handler(request, reply) {
          admission.checkPage(request.raw);
          const engine = await socketIo.engineFor(request.raw, false);
          // A poll waits for the next message, at the latest a ping.
          request.raw.socket.setTimeout(Math.max(request.raw.socket.timeout ?? 0, 4 * heartbeatMs));
          reply.hijack();
          for (const [name, value] of Object.entries({ ...privateHeaders, ...reply.getHeaders() }))
            if (value !== undefined) reply.raw.setHeader(name, value);
          engine.handleRequest(request.raw as never, reply.raw);
        },
      });
  });

  // Node's server would wait for every open connection.
  app.addHook("preClose", async () => {
    const allGone = admission.shut();
    hub.close();
    await socketIo.leave();
    // A connection of Socket.IO emits `close` before its last packet has left.
    const ended = Promise.all([allGone, upgraded.ended()]);
    await Promise.race([ended, sleep(leaveMs, undefined, { ref: false })]);
    upgraded.cutOff();
    await socketIo.close();
    heartbeat.close();
  });
}
