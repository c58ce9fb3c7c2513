import { createHash, timingSafeEqual } from "node:crypto";
import type { onRequestHookHandler } from "fastify";
import { BelfryError } from "../model/errors.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Health and docs: answered without a key. */
    public?: boolean;
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Wants one of `keys` as a bearer token. Compares digests of equal length, every key each time. */
export function requireKey(keys: string[]): onRequestHookHandler {
  const known = keys.map(digest);
  return (request, _reply, done) => {
    if (request.routeOptions.config.public) return done();
    const presented = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const offered = digest(presented);
    let matches = false;
    for (const key of known) matches = timingSafeEqual(key, offered) || matches;
    if (matches) done();
    else done(new BelfryError("unauthorized"));
  };
}

/**
 * Without a key only programs of this machine may call, and a browser is one of them: a page from elsewhere whose name is
 * made to point to 127.0.0.1 (DNS rebinding) would be let in, but cannot hide its name.
 */
export const refuseForeignHosts: onRequestHookHandler = (request, _reply, done) => {
  const name = request.hostname.replace(/^\[|\]$/g, "");
  const ours = name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
  if (ours) done();
  else done(new BelfryError("foreign_host"));
};
