import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The shortest limit of a socket's path among the systems that mongod runs on: macOS has 104 bytes with the final zero. */
const PATH_BYTES = 103;

export interface SocketPlace {
  path: string;
  /** Removes the folder that was made for it. */
  remove(): void;
}

/**
 * Where mongod listens: a Unix socket in the data folder, whose mode keeps other users of the machine out, so no TCP
 * port and no password are needed. When the folder's path is too long, or its file system has no sockets, the socket
 * is in a private folder below the system's temporary one.
 */
export async function placeForSocket(dataDir: string): Promise<SocketPlace> {
  const path = join(dataDir, "mongod.sock");
  if (Buffer.byteLength(path) <= PATH_BYTES && (await canListen(path))) return { path, remove() {} };
  const folder = mkdtempSync(join(tmpdir(), "belfry-"));
  return {
    path: join(folder, "mongod.sock"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function canListen(path: string): Promise<boolean> {
  rmSync(path, { force: true });
  const server = createServer().listen(path);
  const listens = await once(server, "listening").then(
    () => true,
    () => false,
  );
  if (listens) {
    server.close();
    await once(server, "close");
  }
  return listens;
}

/** Waits until somebody listens. */
export async function listening(at: { path: string } | { port: number; host: string }, signal: AbortSignal) {
  for (;;) {
    signal.throwIfAborted();
    const socket = connect(at);
    const open = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(10);
  }
}
