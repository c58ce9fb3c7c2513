/**
 * The service that this module came from: `https://host/belfry` for `https://host/belfry/inbox.js`. A bundle that is named
 * otherwise, or has no address, tells no more than an origin.
 */
function home(): string {
  const { origin, pathname } = new URL(import.meta.url);
  if (origin === "null") return location.origin;
  return origin + (/^(.*)\/(?:inbox|preferences)\.js$/.exec(pathname)?.[1] ?? "");
}

/** The service's address as a whole. Like every address in a page, the given one may be relative. */
export function serverOf(given: string | undefined): string {
  const server = given || home();
  const url = URL.canParse(server, document.baseURI) ? new URL(server, document.baseURI).href : server;
  return url.replace(/\/+$/, "");
}
