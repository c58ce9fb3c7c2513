import type { IncomingMessage } from "node:http";
import type { Socket as Connection } from "engine.io";
import type { Socket } from "socket.io";
import { type ServerOptions, WebSocketServer } from "ws";
import { BelfryError } from "../../model/errors.ts";
import type { Subscription } from "../../realtime/hub.ts";
import { invalidField } from "../errors.ts";
import { readRev, readToken, readUser } from "./handshake.ts";
import type { Peer } from "./heartbeat.ts";
import type { LiveParts } from "./index.ts";
import type { Listener } from "./live-socket.ts";
import { createRateLimit } from "./rate-limit.ts";
import { eventSink } from "./socketio-sink.ts";
import { maxPayloadBytes, webSocketLimits } from "./websocket.ts";

/** A client that names no user within this time is disconnected. */
const connectTimeoutMs = 10_000;

/**
 * Socket.IO's default namespace: our own messages as events of their types, beside the queue dialect's `message` and
 * `notification`. Loaded with the first request: it takes 1.4 MB of heap, and most services have no such client.
 */
export function createSocketIo(parts: LiveParts) {
  let loading: ReturnType<typeof load> | undefined;
  const loaded = () => {
    loading ??= load(parts).catch((error) => {
      // The next request tries again.
      loading = undefined;
      throw error;
    });
    return loading;
  };
  const ifLoaded = () => loading?.catch(() => undefined);
  return {
    /** The engine for a request or an upgrade. Rejects with `invalid_request`, `too_many_connections` or `overloaded`. */
    async engineFor(request: IncomingMessage, isUpgrade: boolean) {
      // Like the engine: the last parameter of a name counts.
      const { searchParams } = new URL(request.url as string, "http://localhost");
      const { j, sid, transport } = Object.fromEntries(searchParams);
      // JSONP: any page may load a script, and the request has no Origin.
      if (j !== undefined) throw invalidField("?j", "is not supported");
      // The engine would accept it and never close it.
      if (isUpgrade && transport !== "websocket")
        throw invalidField("?transport", "must be websocket in an upgrade");
      if (!sid) parts.admission.checkAddress(request);
      return (await loaded()).engine;
    },
    /** Closes the connections that have no user yet: the hub does not know them. */
    async leave(): Promise<void> {
      for (const connection of (await ifLoaded())?.open ?? []) connection.close();
    },
    async close(): Promise<void> {
      await (await ifLoaded())?.io.close();
    },
  };
}

async function load({ hub, heartbeat, admission, heartbeatMs }: LiveParts) {
  const [{ Server }, { Server: EngineServer }] = await Promise.all([
    import("socket.io"),
    import("engine.io"),
  ]);
  const engine = new EngineServer({
    pingInterval: heartbeatMs,
    // A client answers a ping after it has read everything before it.
    pingTimeout: 2 * heartbeatMs,
    maxHttpBufferSize: maxPayloadBytes,
    httpCompression: false,
    wsEngine: class extends WebSocketServer {
      constructor(options: ServerOptions) {
        super({ ...options, ...webSocketLimits });
      }
    },
  });
  const open = new Set<Connection>();
  engine.on("connection", (connection: Connection) => {
    open.add(connection);
    connection.on("close", () => open.delete(connection));
    try {
      admission.checkAddress(connection.request);
      admission.arrive(connection.request, connection, () => connection.close(true));
    } catch {
      // The limit was reached, or the service began to stop, after the first check.
      return void connection.close(true);
    }
    const mayReceive = createRateLimit();
    connection.on("packet", ({ type }) => {
      if (type === "message" && !mayReceive()) connection.close(true);
    });
  });
  const io = new Server({ serveClient: false, connectTimeout: connectTimeoutMs });
  io.bind(engine);

  /** Connections with a user. One connection may send a second CONNECT before the first is answered. */
  const named = new WeakSet<Connection>();
  io.use((socket, next) => {
    admit(socket).then(
      (listener) => {
        socket.data = listener;
        next();
      },
      (error) => {
        const { message, code, details } = admission.refusal(error);
        next(Object.assign(new Error(message), { data: { code, ...(details.length > 0 && { details }) } }));
      },
    );
  });

  async function admit(socket: Socket): Promise<Listener> {
    const { conn } = socket;
    if (named.has(conn))
      throw new BelfryError(
        "invalid_request",
        "This connection already has a user. Open another connection.",
      );
    named.add(conn);
    try {
      return await enter(socket);
    } catch (error) {
      named.delete(conn);
      throw error;
    }
  }

  async function enter({ handshake, conn, request }: Socket): Promise<Listener> {
    const { auth, query } = handshake;
    const user = readUser(auth.user_id ?? query.user_id, "auth.user_id");
    const since = readRev(auth.rev ?? query.rev, "auth.rev");
    const expiresAt = await admission.authorize(request, user, readToken(auth.token ?? query.token));
    // A closed connection would be counted forever.
    if (conn.readyState !== "open") throw new BelfryError("unauthorized");
    admission.enter(request, user, conn);
    return { user, since, expiresAt };
  }

  io.on("connection", (socket) => {
    const { user, since, expiresAt } = socket.data as Listener;
    const { conn } = socket;
    let subscription: Subscription | undefined;
    const { sink, flush } = eventSink(conn, () => {
      if (flush() && sink.backlog() === 0) subscription?.drained();
    });
    // The engine sends its own heartbeats.
    const peer: Peer = { expiresAt, beat() {}, expire: () => conn.close() };
    subscription = hub.subscribe(user, since, {
      ...sink,
      state(standing) {
        // Sent once the `rev` is known: clients of the queue dialect expect everything after this greeting.
        socket.emit("message", `Connected. You will receive the notifications of ${user}.`);
        sink.state(standing);
      },
    });
    heartbeat.add(peer);
    socket.on("disconnect", () => {
      heartbeat.remove(peer);
      subscription?.close();
      conn.close();
    });
  });
  return { engine, io, open };
}
