import { isIP } from "node:net";
import { BelfryError } from "../model/errors.ts";

/** The parts of a request that name the host: a Fastify request's `raw`, or an upgrade's. */
interface Asked {
  url?: string | undefined;
  headers: { host?: string | undefined };
}

/**
 * The defence against DNS rebinding of a service that asks for no key: a page elsewhere can point its own name to our
 * address, but it cannot hide that name. So a request must be for an IP address, `localhost` or one of `allowed`. Throws
 * `foreign_host`. `X-Forwarded-Host` is not read: such a page may set it as it likes.
 */
export function createHostCheck(allowed: string[]): (request: Asked) => void {
  const known = new Set(allowed.map(plainName));
  return ({ url = "", headers }) => {
    // `GET http://name/path`: the name in the target outranks the header (RFC 9112, 3.2.2).
    const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
    for (const host of authority === undefined ? [headers.host] : [authority, headers.host]) {
      const name = nameIn(host);
      if (name === undefined || !(isLocalName(name) || known.has(name))) throw refusal(name);
    }
  };
}

function refusal(name: string | undefined): BelfryError {
  const remedy =
    name === undefined || !isHostName(name)
      ? "add its host name to ALLOWED_HOSTS"
      : `add ${name} to ALLOWED_HOSTS`;
  return new BelfryError(
    "foreign_host",
    `Without API_KEYS requests are answered for an IP address or localhost only: call one of them, ${remedy}, or set API_KEYS.`,
  );
}

/** The host without its port, in lower case and without a trailing dot; undefined when there is none. */
function nameIn(host = ""): string | undefined {
  const [, v6, name] = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::\d*)?$/.exec(host) ?? [];
  return v6 ?? (name === undefined ? undefined : plainName(name));
}

const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, "");

const isLocalName = (name: string): boolean =>
  isIP(name) !== 0 || name === "localhost" || (name.endsWith(".localhost") && isHostName(name));

/** For `ALLOWED_HOSTS`: a name as it stands in a `Host` header, without scheme, port and path. */
export const isHostName = (name: string): boolean =>
  name.length <= 253 &&
  /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i.test(name);
