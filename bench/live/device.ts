import { WebSocket } from "ws";
import { userId } from "../data.ts";

/** Whom a crowd talks to. URLs are `http:`. */
export type Target = BelfryTarget | BareTarget;

/** `near` takes the creates; the sockets are there, or at `far`, another instance. `pid` is that of `near`. */
export interface BelfryTarget {
  kind: "belfry";
  near: string;
  far: string;
  pid: number;
}

export interface BareTarget {
  kind: "bare";
  url: string;
  pid: number;
}

export interface Device {
  /** Opens a socket, with the last `rev` unless it is the first; resolves when it shows what the server said it has. */
  connect(): Promise<void>;
  /** Without a farewell, as when a network goes away. */
  drop(): void;
  /** Its user's `rev` after the last message. */
  readonly rev: number | undefined;
  /** Only once it is connected. */
  readonly socket: WebSocket;
}

interface DeviceOptions {
  target: Target;
  user: number;
  /** Tells devices of one user apart. */
  index?: number;
  far?: boolean;
  /** The bare server sends on to everyone what comes from it. */
  broadcast?: boolean;
}

/** `heard`: the numbers of the creates that a message brought, or that the bare server sent back. */
export function newDevice(
  { target, user, index = user, far = false, broadcast = false }: DeviceOptions,
  heard: (numbers: number[]) => void = () => {},
): Device {
  const http =
    target.kind === "bare"
      ? `${target.url}/${broadcast ? "all" : ""}`
      : `${far ? target.far : target.near}/v1/users/${userId(user)}/live`;
  const url = http.replace("http", "ws");
  // A client address has 28,000 ports, of which those of closed sockets stay taken for a minute.
  const localAddress = `127.0.0.${2 + (index % 16)}`;
  let rev: number | undefined;
  let current: WebSocket | undefined;

  return {
    connect: () =>
      new Promise((resolve, reject) => {
        const since = target.kind === "bare" || rev === undefined ? "" : `?rev=${rev}`;
        const socket = new WebSocket(url + since, { localAddress, perMessageDeflate: false });
        current = socket;
        let goal = Number.POSITIVE_INFINITY;
        socket.on("message", (data) => {
          const message = JSON.parse(String(data));
          if (message.type === "state") {
            goal = message.rev;
            rev ??= goal;
          } else if (message.type === "changes") {
            rev = message.rev as number;
            heard(message.changes.flatMap(numberOf));
          } else reject(new Error(`a device was told: ${data}`));
          if ((rev ?? 0) >= goal) resolve();
        });
        socket.on("error", reject);
        socket.on("close", (code) => {
          if (socket === current) reject(new Error(`a socket was closed: ${code}`));
        });
      }),
    drop() {
      const socket = current;
      current = undefined;
      socket?.terminate();
    },
    get rev() {
      return rev;
    },
    get socket() {
      return current as WebSocket;
    },
  };
}

const numberOf = ({ change, item }: { change: string; item: { data?: { n?: number } } }): number[] =>
  change === "new" && item.data?.n !== undefined ? [item.data.n] : [];

/** A storm all the same: more handshakes at once than this only wait in the kernel's queue. */
const handshakes = 256;

export async function connectAll(devices: Device[]): Promise<void> {
  const left = devices.values();
  const connector = async () => {
    for (const device of left) await device.connect();
  };
  await Promise.all(Array.from({ length: handshakes }, connector));
}

/** What `create` with this number brings to a socket of Belfry's; the bare server sends it back or on. */
export const textOf = (n: number): string =>
  JSON.stringify({
    type: "changes",
    rev: n,
    unread: 10,
    total: 10,
    changes: [
      {
        change: "new",
        rev: n,
        item: {
          id: "64d000000000000000000000",
          type: "new_message",
          data: { n },
          created_at: "2026-01-31T12:00:00.000Z",
          updated_at: "2026-01-31T12:00:00.000Z",
          read: false,
          archived: false,
          rev: n,
          created_rev: n,
        },
      },
    ],
  });
