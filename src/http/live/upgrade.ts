import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { BelfryError } from "../../model/errors.ts";
import { fromNow } from "../../model/live.ts";
import type { Hub } from "../../realtime/hub.ts";
import { endWithProblem } from "../errors.ts";
import type { Admission } from "./admission.ts";
import { readRev, readToken, readUser } from "./handshake.ts";
import type { createSocketIo } from "./socketio.ts";
import type { createWebSockets, WebSocketListener } from "./websocket.ts";

export interface UpgradeParts {
  hub: Hub;
  admission: Admission;
  webSockets: ReturnType<typeof createWebSockets>;
  socketIo: ReturnType<typeof createSocketIo>;
  stripBasePath: (url: string) => string;
}

const paths = [
  { pattern: /^\/v1\/users\/([^/]+)\/live$/, protocol: "own" },
  { pattern: /^\/ws\/v1\/notifications\/([^/]+)$/, protocol: "live" },
] as const;

/** A client that has waited this long for an inbox that cannot be read is admitted without it. */
const standingMs = 5_000;

const isSocketIo = (path: string): boolean => path === "/socket.io/" || path === "/socket.io";

/** Upgraded connections, which Node's server no longer tracks. */
export interface Upgraded {
  /** Resolves when none is open: all that was written has left, and they have been closed. */
  ended(): Promise<void>;
  /** Ends those that are left. */
  cutOff(): void;
}

/** Answers every `upgrade` of the server. */
export function takeUpgrades(server: Server, parts: UpgradeParts): Upgraded {
  const open = new Set<Duplex>();
  let onEmpty = () => {};
  function onClose(this: Duplex): void {
    open.delete(this);
    if (open.size === 0) onEmpty();
  }
  server.on("upgrade", (request, socket, head) => {
    if (isAnswering(socket)) return void socket.destroy();
    if (!wantsWebSocket(request)) return putBack(server, request, socket, head);
    open.add(socket);
    parts.admission.release(socket);
    socket.on("close", onClose);
    socket.on("error", onError);
    dispatch(request, socket, head, parts).catch((error) => refuse(socket, parts.admission.refusal(error)));
  });
  return {
    ended: () =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (open.size === 0) resolve();
      }),
    cutOff() {
      for (const socket of open) socket.destroy();
    },
  };
}

function onError(this: Duplex): void {
  this.destroy();
}

function refuse(socket: Duplex, { code, status, message }: BelfryError): void {
  endWithProblem(socket, { status, title: code.replaceAll("_", " "), detail: message, code });
}

async function dispatch(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { hub, admission, webSockets, socketIo, stripBasePath }: UpgradeParts,
): Promise<void> {
  admission.checkPage(request);
  const [path, query] = stripBasePath(request.url ?? "").split("?", 2) as [string, string | undefined];
  if (isSocketIo(path)) {
    const engine = await socketIo.engineFor(request, true);
    return engine.handleUpgrade(request as never, socket, head);
  }
  const found = paths.find(({ pattern }) => pattern.test(path));
  if (!found) throw new BelfryError("not_found");
  const { pattern, protocol } = found;
  const written = pattern.exec(path)?.[1] as string;

  // From here on errors are sent as a close code, because a browser cannot read an HTTP answer to an upgrade.
  let listener: WebSocketListener | BelfryError;
  try {
    const asked = new URLSearchParams(query);
    const user = readUser(decoded(written), "/id");
    const named = readRev(protocol === "own" ? asked.get("rev") : undefined, "?rev");
    admission.checkAddress(request);
    const expiresAt = await admission.authorize(request, user, readToken(asked.get("token")));
    if (socket.destroyed) return;
    admission.enter(request, user, socket);
    const since = protocol === "own" ? named : await whereItStands(hub, user);
    if (socket.destroyed) return;
    listener = { user, since, expiresAt, protocol };
  } catch (error) {
    listener = admission.refusal(error);
    if (socket.destroyed) return;
    // It stays open until the client answers our close.
    admission.arrive(request, socket, () => socket.destroy());
  }
  webSockets.open(request, socket, head, listener);
}

/**
 * The user's `rev`. Clients of the live API do not learn it: they expect everything from the moment the socket opens, so it
 * must not open before this is known.
 */
function whereItStands(hub: Hub, user: string): Promise<number> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(fromNow), standingMs).unref();
    const subscription = hub.subscribe(user, fromNow, {
      state: ({ rev }) => end(rev),
      changes() {},
      resync() {},
      backlog: () => 0,
      // Its socket is closed like all others.
      leave: () => resolve(fromNow),
    });
    function end(since: number): void {
      clearTimeout(timer);
      subscription.close();
      resolve(since);
    }
  });
}

/** `readUser` explains what is wrong with the id. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

const wantsWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === "GET" && /^websocket$/i.test(headers.upgrade ?? "");

/**
 * Whether an earlier request on this connection still waits for its answer. A pipelined upgrade would be answered before it.
 * Node has no type for this property.
 */
const isAnswering = (socket: Duplex) =>
  Boolean((socket as { _httpMessage?: ServerResponse | null })._httpMessage);

/**
 * An offer of another protocol may be ignored (RFC 9110, 7.8), and Java's HttpClient offers h2c with every request. Because
 * there is an `upgrade` listener, Node hands the request over and drops its parser: so it is parsed again, without the offer.
 */
function putBack(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (!/^(connection|upgrade|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}
