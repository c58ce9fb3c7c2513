import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";

export interface GuardOptions {
  /** Whether `http:` may be used beside `https:`. */
  allowHttp: boolean;
  /** Ranges in CIDR form that are open although they are not public. */
  allowNetworks: string[];
  ports: number[];
  /** Whether only this machine may be called. */
  localOnly?: boolean;
  /** All addresses of a name; the system's resolver when absent. */
  resolve?: ((host: string) => Promise<string[]>) | undefined;
}

/** A target that may be connected to, at these addresses and no others. */
export interface CheckedTarget {
  url: URL;
  addresses: Array<{ address: string; family: 4 | 6 }>;
}

/** Thrown for a target that must not be connected to. */
export class BlockedTarget extends Error {}

/** IANA's special-purpose registries (RFC 6890 and its updates): nothing of these is somebody's public web server. */
const closedV4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local, with the clouds' metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/3", // multicast, reserved, broadcast
];
/**
 * Only 2000::/3 is handed out as public. Outside of it lie loopback, IPv4 mapped (::ffff:0:0/96) and translated
 * (64:ff9b::/96), unique local (fc00::/7), link-local (fe80::/10) and multicast (ff00::/8).
 */
const closedV6 = [
  "::/3",
  "4000::/2",
  "8000::/1",
  "2001::/23", // protocol assignments, with Teredo
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4, which carries an IPv4 address
  "3fff::/20", // documentation
];

/** The parts of `10.0.0.0/8` or `fd00::/8`, or undefined. A bare address is a network of one. */
export function parseNetwork(text: string): { address: string; prefix: number; family: 4 | 6 } | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes("%")) return undefined;
  const most = family === 4 ? 32 : 128;
  const prefix = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  return prefix <= most ? { address, prefix, family: family as 4 | 6 } : undefined;
}

/**
 * A list a family: in one list Node would match an IPv4 address with ::/3 through its mapped form, and 127.0.0.1
 * with ::ffff:127.0.0.1, so that opening one would open the other.
 */
export function networks(texts: string[]): (address: string, family: 4 | 6) => boolean {
  const lists = { 4: new BlockList(), 6: new BlockList() };
  for (const text of texts) {
    const network = parseNetwork(text);
    if (!network) throw new Error(`${text} is no network`);
    const { address, prefix, family } = network;
    lists[family].addSubnet(address, prefix, `ipv${family}`);
  }
  return (address, family) => lists[family].check(address, `ipv${family}`);
}

/**
 * Decides whether a URL that some user has given may be called from inside our network. The name is resolved once and
 * every address checked; the caller connects to these addresses alone, so that a name which points elsewhere a moment
 * later (DNS rebinding) gains nothing. Throws `BlockedTarget`, or the resolver's error.
 */
export function createWebhookGuard(options: GuardOptions): (target: string) => Promise<CheckedTarget> {
  const resolve = options.resolve ?? systemResolve;
  const problemIn = createUrlCheck(options);
  const isClosed = closedTo(options.allowNetworks);

  return async (target) => {
    // A user's document may hold what the API would refuse; what `URL` drops of it does no harm here.
    const url = URL.canParse(target) ? new URL(target) : undefined;
    const problem = problemIn(url?.href ?? target);
    if (!url || problem !== undefined) throw new BlockedTarget(`the URL ${problem}`);
    const host = hostIn(url);
    const found = isIP(host) ? [host] : await resolve(host);
    if (found.length === 0) throw new Error("the name has no address");
    if (found.some(isClosed)) throw new BlockedTarget("the target has an address that is not public");
    return { url, addresses: found.map((address) => ({ address, family: isIP(address) as 4 | 6 })) };
  };
}

/**
 * The problem with a URL before its name is resolved, as the rest of a sentence that says what to change; undefined
 * for one that may be called. Used when a URL is stored and again before each attempt, as the settings may have changed.
 */
export function createUrlCheck(options: GuardOptions): (target: string) => string | undefined {
  const schemes = options.allowHttp ? ["https:", "http:"] : ["https:"];
  const isClosed = closedTo(options.allowNetworks);

  return (target) => {
    // `URL` drops blanks and line breaks, and would keep half a character as another one.
    const isClean = !/[\s\p{Cc}\p{Cs}]/u.test(target);
    // The URL parser also settles the spellings: 0x7f.1, 2130706433 and １２７.0.0.1 all become 127.0.0.1.
    const url = isClean && URL.canParse(target) ? new URL(target) : undefined;
    if (url?.protocol === "http:" && !options.allowHttp)
      return "must begin with https:// (WEBHOOK_ALLOW_HTTP=on allows http://)";
    if (!url || !schemes.includes(url.protocol))
      return `must be a URL that begins with ${schemes.map((one) => `${one}//`).join(" or ")}`;
    if (url.username || url.password)
      return "must not hold a user name or password; send an Authorization header instead (`headers`)";
    const port = url.port ? Number(url.port) : url.protocol === "https:" ? 443 : 80;
    if (!options.ports.includes(port))
      return `has port ${port}; the allowed ports are ${options.ports.join(", ")} (WEBHOOK_PORTS)`;
    const host = hostIn(url);
    if (options.localOnly && !isLocal(host))
      return "must name this machine, such as 127.0.0.1: with CLOCK=virtual webhooks call nothing else";
    if (isIP(host) && isClosed(host))
      return `has the address ${host}, which is not public (WEBHOOK_ALLOW_NETWORKS allows networks)`;
    if (isLocalName(host) && isClosed("127.0.0.1") && isClosed("::1"))
      return "names this machine, which is not public (WEBHOOK_ALLOW_NETWORKS allows networks)";
    return undefined;
  };
}

/** Loopback, as networks. */
export const loopback = ["127.0.0.0/8", "::1"];
const isLoopback = networks(loopback);
const isLocalName = (host: string): boolean => /(^|\.)localhost\.?$/.test(host);
const isLocal = (host: string): boolean =>
  isLocalName(host) || (isIP(host) !== 0 && isLoopback(host, isIP(host) as 4 | 6));

const hostIn = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");

/** Whether an address is neither public nor in one of these networks. */
function closedTo(allowNetworks: string[]): (address: string) => boolean {
  const closed = networks([...closedV4, ...closedV6]);
  const opened = networks(allowNetworks);
  return (address) => {
    const family = isIP(address) as 4 | 6;
    return !opened(address, family) && closed(address, family);
  };
}

async function systemResolve(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map((one) => one.address);
}
