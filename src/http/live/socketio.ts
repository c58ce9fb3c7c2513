import type { IncomingMessage } from "node:http";
import type { Socket as Connection } from "engine.io";
import type { Socket } from "socket.io";
import { type ServerOptions, WebSocketServer } from "ws";
import { BelfryError } from "../../model/errors.ts";
import type { Subscription } from "../../model/hub.ts";
import { invalidField } from "../errors.ts";
import { createBucket } from "./bucket.ts";
import { readRev, readToken, readUser } from "./handshake.ts";
import type { LiveParts } from "./index.ts";
import type { Listener } from "./live-socket.ts";
import type { Peer } from "./pulse.ts";
import { eventSink } from "./socketio-sink.ts";
import { maxPayloadBytes, webSocketLimits } from "./websocket.ts";

/** Who has connected without naming a user is sent away. */
const connectTimeoutMs = 10_000;

/**
 * Socket.IO's default namespace: our own messages as events of their types, beside the queue dialect's `message` and
 * `notification`. Loaded by the first who asks for it: most services have no such client, and it is 1.4 MB of heap.
 */
export function createSocketIo(parts: LiveParts) {
  let loading: ReturnType<typeof load> | undefined;
  const loaded = () => {
    loading ??= load(parts).catch((error) => {
      // The next one tries again.
      loading = undefined;
      throw error;
    });
    return loading;
  };
  const ifLoaded = () => loading?.catch(() => undefined);
  return {
    /** What takes the request, an upgrade or not. Rejects with `invalid_request`, `too_many_connections` or `overloaded`. */
    async engineFor(request: IncomingMessage, isUpgrade: boolean) {
      // As the engine reads it: the last of a name counts.
      const { searchParams } = new URL(request.url as string, "http://localhost");
      const { j, sid, transport } = Object.fromEntries(searchParams);
      // JSONP: a page of any origin may load a script, and names none.
      if (j !== undefined) throw invalidField("?j", "is not supported");
      // It would be answered, and then belong to nobody.
      if (isUpgrade && transport !== "websocket")
        throw invalidField("?transport", "must be websocket in an upgrade");
      if (!sid) parts.admission.checkAddress(request);
      return (await loaded()).engine;
    },
    /** Ends the connections that listen to nobody, which the hub knows nothing of. */
    async leave(): Promise<void> {
      for (const connection of (await ifLoaded())?.open ?? []) connection.close();
    },
    async close(): Promise<void> {
      await (await ifLoaded())?.io.close();
    },
  };
}

async function load({ hub, pulse, admission, heartbeatMs }: LiveParts) {
  const [{ Server }, { Server: EngineServer }] = await Promise.all([
    import("socket.io"),
    import("engine.io"),
  ]);
  const engine = new EngineServer({
    pingInterval: heartbeatMs,
    // A pong comes after all that was written before the ping has been read.
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
      // The last place was taken, or the service began to stop, since it was asked.
      return void connection.close(true);
    }
    const mayReceive = createBucket();
    connection.on("packet", ({ type }) => {
      if (type === "message" && !mayReceive()) connection.close(true);
    });
  });
  const io = new Server({ serveClient: false, connectTimeout: connectTimeoutMs });
  io.bind(engine);

  /** Those that listen, or are about to: one connection can ask again before its first question is answered. */
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
    if (named.has(conn)) throw new BelfryError("invalid_request", "This connection listens already.");
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
    // It would be counted forever.
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
    // It asks by itself whether the client is still there.
    const peer: Peer = { expiresAt, beat() {}, expire: () => conn.close() };
    subscription = hub.subscribe(user, since, {
      ...sink,
      state(standing) {
        // Not before it is known from where on: a client of the queue dialect has no other word for it.
        socket.emit("message", `Connected: what ${user} is notified of arrives here.`);
        sink.state(standing);
      },
    });
    pulse.add(peer);
    socket.on("disconnect", () => {
      pulse.remove(peer);
      subscription?.close();
      conn.close();
    });
  });
  return { engine, io, open };
}
