import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until someone listens on the port. */
export async function listening(port: number, signal: AbortSignal) {
  for (;;) {
    signal.throwIfAborted();
    const socket = connect(port, "127.0.0.1");
    const open = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(10);
  }
}

/**
 * The port of the last start when it is free, else any. The address is part of the replica set's configuration, so a
 * new one has to be forced on it; and mongod first asks whoever has the old port now whether it is itself, which takes
 * 30 s when that one accepts and stays silent.
 */
export async function freePort(dataDir: string) {
  const file = join(dataDir, "mongod.port");
  const last = existsSync(file) ? Number(readFileSync(file, "utf8")) || 0 : 0;
  const port = await tryPort(last).catch(() => tryPort(0));
  if (port !== last) writeFileSync(file, `${port}\n`);
  return port;
}

async function tryPort(port: number) {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return address.port;
}
