import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

export interface Addresses {
  /** Whether a peer's `X-Forwarded-For` is believed; for Fastify's `trustProxy`. */
  isProxy(address: string | undefined): boolean;
  /**
   * Where a request comes from, as what limits count by: an IPv4 address, or an IPv6 network (`2001:db8:0:1::/64`), since who
   * has one IPv6 address has them all. Behind proxies that are believed, the nearest address that is not one of them.
   */
  clientAddress(request: IncomingMessage): string;
}

/** `trusted`: the networks of one's own proxies. */
export function createAddresses(trusted: (address: string, family: 4 | 6) => boolean): Addresses {
  const isProxy = (written: string | undefined): boolean => {
    const address = plainAddress(written ?? "");
    return address !== undefined && trusted(address, isIP(address) as 4 | 6);
  };
  return {
    isProxy,
    clientAddress({ socket, headers }) {
      let client = plainAddress(socket.remoteAddress ?? "") ?? "unknown";
      // Each proxy appends whom it was asked by; what stands before an address that is no proxy is hearsay.
      const named = String(headers["x-forwarded-for"] ?? "").split(",");
      for (const one of named.reverse()) {
        const before = isProxy(client) ? plainAddress(one.trim()) : undefined;
        if (before === undefined) break;
        client = before;
      }
      return isIP(client) === 6 ? networkOf(client) : client;
    },
  };
}

/**
 * `1.2.3.4`, also where it is written as `::ffff:1.2.3.4` (a socket that takes both families) or `1.2.3.4:5678` (some
 * proxies), or an IPv6 address in its short form, without zone and port. Undefined for what is no address.
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

function networkOf(short: string): string {
  const [left = "", right = ""] = short.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const filled = [...groups(left), ...Array(8).fill("0")].slice(0, 8 - groups(right).length);
  return `${[...filled, ...groups(right)].slice(0, 4).join(":")}::/64`;
}
