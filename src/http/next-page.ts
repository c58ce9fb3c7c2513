import type { FastifyReply, FastifyRequest } from "fastify";

/** RFC 8288; the reference has no host, since a proxy may have given us another name. */
export function linkNextPage(request: FastifyRequest, reply: FastifyReply, cursor: string | undefined): void {
  if (cursor === undefined) return;
  const [path, query] = request.url.split("?", 2) as [string, string | undefined];
  const parameters = new URLSearchParams(query);
  // The cursor says where to go on.
  parameters.delete("skip");
  parameters.set("cursor", cursor);
  reply.header("link", `<${request.basePath}${path}?${parameters}>; rel="next"`);
}

/** The same for the body. */
export const nextCursor = (cursor: string | undefined) =>
  cursor === undefined ? {} : { next_cursor: cursor };

/** The location of a query parameter, for error details. */
export const inQuery = (name: string) => `?${name}`;
export const inBody = (name: string) => `/${name}`;

/** A cursor that the caller sent. */
export const cursorIn = (text: string | undefined, pointer: (name: string) => string) =>
  text === undefined ? undefined : { text, pointer: pointer("cursor") };
