import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../test/support/free-port.ts";

/** Stands between two programs and plays what happens to networks. */
export interface FaultyLine {
  port: number;
  /** Bytes go through again, on new connections. */
  mend(): Promise<void>;
  /** Half-open: connections are taken and stay, and whatever is sent on them, either way, is swallowed. */
  stall(): void;
  /** Connections are reset, new ones refused. */
  die(): Promise<void>;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<FaultyLine> {
  const sockets = new Set<Socket>();
  let stalled = false;
  // Nobody else gets it while it is closed.
  const port = Number(await freePort());

  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => void (stalled || to.write(chunk)));
      from.on("end", () => void (stalled || to.end()));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        if (!stalled) to.destroy();
      });
    }
  });

  async function listen(): Promise<void> {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  }

  async function die(): Promise<void> {
    stalled = false;
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  }

  await listen();
  return {
    port,
    mend: listen,
    stall() {
      stalled = true;
    },
    die,
    close: die,
  };
}
