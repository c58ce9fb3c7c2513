import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";

export interface Addresses {
  /** Whether a peer is a trusted proxy, whose `X-Forwarded-…` headers are believed; for Fastify's `trustProxy`. */
  isProxy(address: string | undefined): boolean;
  /**
   * The client of a request, in the form that limits count by: an IPv4 address, or an IPv6 network
   * (`2001:db8:0:1::/64`), because one client usually has the whole network. Behind trusted proxies, the nearest address
   * that is not one of them.
   */
  clientAddress(request: IncomingMessage): string;
  /** The same of a bare connection; undefined: a trusted proxy or this machine, which stands for many clients. */
  peerAddress(socket: Socket): string | undefined;
  /** Reports a request that came through a proxy while no proxy is trusted. */
  noticeProxy(request: IncomingMessage): void;
}

/** `trusted`: the networks of the operator's own proxies. `onUnknownProxy` is called once, with the peer's address. */
export function createAddresses(
  trusted: (address: string, family: 4 | 6) => boolean,
  onUnknownProxy?: (peer: string) => void,
): Addresses {
  let report = onUnknownProxy;
  const isProxy = (written: string | undefined): boolean => {
    const address = plainAddress(written ?? "");
    return address !== undefined && trusted(address, isIP(address) as 4 | 6);
  };
  return {
    isProxy,
    clientAddress({ socket, headers }) {
      let client = plainAddress(socket.remoteAddress ?? "") ?? "unknown";
      // Each proxy appends its peer. Entries before an address that is not a trusted proxy may be forged.
      const named = String(headers["x-forwarded-for"] ?? "").split(",");
      for (const one of named.reverse()) {
        const before = isProxy(client) ? plainAddress(one.trim()) : undefined;
        if (before === undefined) break;
        client = before;
      }
      return limitKey(client);
    },
    noticeProxy({ socket, headers }) {
      if (!report || headers["x-forwarded-for"] === undefined) return;
      report(plainAddress(socket.remoteAddress ?? "") ?? "unknown");
      report = undefined;
    },
    peerAddress({ remoteAddress = "" }) {
      const peer = plainAddress(remoteAddress);
      if (peer === undefined || peer === "::1" || peer.startsWith("127.") || isProxy(peer)) return undefined;
      return limitKey(peer);
    },
  };
}

/**
 * `1.2.3.4`, also where it is written as `::ffff:1.2.3.4` (a socket that takes both families) or `1.2.3.4:5678` (some
 * proxies), or an IPv6 address in its short form, without zone and port. Undefined for any other text.
 */
function plainAddress(text: string): string | undefined {
  const address = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  if (isIP(address) === 4) return address;
  if (isIP(address) !== 6) return undefined;
  const short = new URL(`http://[${address.split("%", 1)[0]}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(short);
  if (!mapped) return short;
  return mapped
    .slice(1)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join(".");
}

const limitKey = (address: string) => (isIP(address) === 6 ? networkOf(address) : address);

function networkOf(short: string): string {
  const [left = "", right = ""] = short.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const filled = [...groups(left), ...Array(8).fill("0")].slice(0, 8 - groups(right).length);
  return `${[...filled, ...groups(right)].slice(0, 4).join(":")}::/64`;
}
