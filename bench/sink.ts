import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";

export interface Receipts {
  /** Unix milliseconds of the first and the last message taken. */
  first: number;
  last: number;
  /** Message bytes, to see that all senders send the same. */
  bytes: number;
}

/** A mail server that answers at once and keeps nothing, in a process of its own, so that it is not what is measured. */
export async function startSink() {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url));
  const [port] = (await once(child, "message")) as [number];
  return {
    port,
    pid: child.pid as number,
    /** Counts from now on; resolves once `count` messages have been taken. */
    async expect(count: number): Promise<Receipts> {
      child.send(count);
      const [receipts] = (await once(child, "message")) as [Receipts];
      return receipts;
    },
    /** How many have been taken since then: more than were expected, when one was sent twice. */
    async taken(): Promise<number> {
      child.send("taken");
      const [count] = (await once(child, "message")) as [number];
      return count;
    },
    async stop() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

export type Sink = Awaited<ReturnType<typeof startSink>>;

if (process.argv[1] === fileURLToPath(import.meta.url)) serve();

function serve(): void {
  let wanted = 0;
  let count = 0;
  let receipts: Receipts = { first: 0, last: 0, bytes: 0 };
  process.on("message", (expected: number | "taken") => {
    if (expected === "taken") return void process.send?.(count);
    wanted = expected;
    count = 0;
    receipts = { first: 0, last: 0, bytes: 0 };
  });
  const taken = (bytes: number) => {
    const at = performance.timeOrigin + performance.now();
    if (count++ === 0) receipts.first = at;
    receipts.last = at;
    receipts.bytes += bytes;
    if (count === wanted) process.send?.(receipts);
  };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    converse(socket, taken);
  }).listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}

/** As much of RFC 5321 as a sender needs whose mails are all taken. */
function converse(socket: Socket, taken: (bytes: number) => void): void {
  let inMessage = false;
  let bytes = 0;
  /** What has been read of a line, or the last bytes of the message so far: its end may come in pieces. */
  let rest = "";
  socket.setEncoding("latin1");
  socket.write("220 sink ESMTP\r\n");
  socket.on("data", (chunk: string) => {
    let text = rest + chunk;
    for (;;) {
      if (inMessage) {
        const end = text.indexOf("\r\n.\r\n");
        if (end < 0) {
          bytes += Math.max(0, text.length - 4);
          rest = text.slice(-4);
          return;
        }
        taken(bytes + end + 2);
        inMessage = false;
        socket.write("250 2.0.0 taken\r\n");
        text = text.slice(end + 5);
      }
      const end = text.indexOf("\r\n");
      if (end < 0) {
        rest = text;
        return;
      }
      const verb = text.slice(0, 4).toUpperCase();
      text = text.slice(end + 2);
      if (verb === "DATA") {
        inMessage = true;
        bytes = 0;
        socket.write("354 go on\r\n");
      } else if (verb === "QUIT") {
        socket.end("221 bye\r\n");
        return;
      } else socket.write(verb === "EHLO" ? "250-sink\r\n250 8BITMIME\r\n" : "250 ok\r\n");
    }
  });
}
