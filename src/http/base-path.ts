import type { IncomingMessage } from "node:http";

declare module "fastify" {
  interface FastifyRequest {
    /** The path under which the caller reaches us, such as `/belfry`; empty: the root. */
    basePath: string;
  }
}

export interface BasePath {
  /** The path at which the caller reaches us: `BASE_PATH`, or the prefix that a trusted proxy says it removed. */
  of(request: IncomingMessage): string;
  /** The path and query without `BASE_PATH`, for a proxy that passes the path on as it is. */
  strip(url: string): string;
}

/** `configured`: empty for the root. */
export function createBasePath(
  configured: string,
  isProxy: (address: string | undefined) => boolean,
): BasePath {
  return {
    of({ socket, headers }) {
      const named = headers["x-forwarded-prefix"];
      if (typeof named !== "string" || !isProxy(socket.remoteAddress)) return configured;
      const path = named.replace(/\/$/, "");
      return path === "" || isBasePath(path) ? path : configured;
    },
    strip(url) {
      const rest = url.slice(configured.length);
      if (configured === "" || !url.startsWith(configured) || /^[^/?]/.test(rest)) return url;
      return rest.startsWith("/") ? rest : `/${rest}`;
    },
  };
}

/** Written into pages and headers, so it has plain segments only: no `//host`, no `..`, nothing to escape. */
export const isBasePath = (path: string): boolean =>
  path.length <= 200 && /^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(path);
