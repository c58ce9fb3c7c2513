import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { decodeCursor, encodeCursor } from "../../core/cursor.ts";
import type { Inbox } from "../../core/inbox.ts";
import { inboxItemDto, stateOf } from "../../model/inbox-dto.ts";
import type { InboxItem, InboxQuery, InboxState, ItemChange } from "../../model/live.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { userInPath } from "../auth.ts";
import { invalidField } from "../errors.ts";
import { linkNextPage, nextCursor } from "../next-page.ts";
import { ignoreBodies } from "../validation.ts";
import * as schemas from "./schemas.ts";

type UserParams = { Params: { id: string } };
type ItemParams = { Params: { id: string; item: string } };

const tags = ["inbox"];
const config = { user: userInPath("id") };
const path = "/v1/users/:id/inbox";

const changes: Record<ItemChange, string> = {
  read: "Mark an item as read",
  unread: "Mark an item as unread and unarchive it",
  archive: "Archive an item and mark it as read",
  unarchive: "Unarchive an item",
};

/** A user's inbox. Each response has its `rev` and counts. */
export async function inboxRoutes(app: FastifyInstance, inbox: Inbox): Promise<void> {
  app.get<UserParams & { Querystring: Static<typeof schemas.ListQuery> }>(
    path,
    {
      config,
      schema: {
        tags,
        summary: "List a user's inbox, newest first",
        params: schemas.UserPath,
        querystring: schemas.ListQuery,
        response: { 200: schemas.ListReply },
      },
    },
    async (request, reply) => {
      const { query, question } = readQuery(canonicalUser(request.params.id), request.query);
      const { items, next, ...view } = await inbox.read(query);
      const cursor = next && encodeCursor(question, `${next.created_rev}/${next.id}`);
      linkNextPage(request, reply, cursor);
      return { ...stateOf(view), items: items.map(inboxItemDto), ...nextCursor(cursor) };
    },
  );

  app.get<ItemParams>(
    `${path}/:item`,
    {
      config,
      schema: {
        tags,
        summary: "Show an item",
        params: schemas.ItemPath,
        response: { 200: schemas.ItemReply },
      },
    },
    async ({ params }) => answer(await inbox.get(...named(params))),
  );

  app.post<UserParams & { Body: Static<typeof schemas.ReadAllBody> }>(
    `${path}/read-all`,
    {
      config: { ...config, bodyOptional: true },
      schema: {
        tags,
        summary: "Mark all items as read, or those up to a `rev`",
        params: schemas.UserPath,
        body: schemas.ReadAllBody,
        response: { 200: schemas.ReadAllReply },
      },
    },
    async ({ params, body }) => inbox.readAll(canonicalUser(params.id), body.up_to_rev),
  );

  app.post<UserParams & { Body: Static<typeof schemas.SeenBody> }>(
    `${path}/seen`,
    {
      config: { ...config, bodyOptional: true },
      schema: {
        tags,
        summary: "Mark the inbox as seen, or up to a `rev`",
        description: "Call it when the list is opened. Items stay unread.",
        params: schemas.UserPath,
        body: schemas.SeenBody,
        response: { 200: schemas.StateReply },
      },
    },
    async ({ params, body }) => inbox.seen(canonicalUser(params.id), body.up_to_rev),
  );

  await app.register(async (own) => {
    ignoreBodies(own);
    for (const [change, summary] of Object.entries(changes) as Array<[ItemChange, string]>) {
      own.post<ItemParams>(
        `${path}/:item/${change}`,
        {
          config,
          schema: { tags, summary, params: schemas.ItemPath, response: { 200: schemas.ItemReply } },
        },
        async ({ params }) => answer(await inbox.change(...named(params), change)),
      );
    }
    own.delete<ItemParams>(
      `${path}/:item`,
      {
        config,
        schema: {
          tags,
          summary: "Delete an item",
          params: schemas.ItemPath,
          response: { 200: schemas.StateReply },
        },
      },
      async ({ params }) => inbox.remove(...named(params)),
    );
  });
}

const named = ({ id, item }: ItemParams["Params"]): [user: string, item: string] => [
  canonicalUser(id),
  canonicalUser(item),
];

const answer = ({ item, ...view }: InboxState & { item: InboxItem }) => ({
  ...stateOf(view),
  item: inboxItemDto(item),
});

const placeForm = /^\d{1,16}\/.{1,128}$/s;

/** `question`: the filters that a cursor belongs to. */
function readQuery(user: string, written: Static<typeof schemas.ListQuery>) {
  const { limit, skip, cursor, unread, archived, type, target_id: targetId } = written;
  const filters = {
    user,
    ...(unread !== undefined && { unread }),
    ...(archived !== "any" && { archived: archived === "true" }),
    ...(type !== undefined && { type }),
    // The cursor must not depend on upper or lower case.
    ...(targetId !== undefined && { targetId: targetId.toLowerCase() }),
  };
  const query: InboxQuery = { ...filters, limit, skip: skip ?? 0 };
  if (cursor === undefined) return { query, question: filters };
  if (skip !== undefined)
    throw invalidField("?skip", "cannot be combined with cursor: send only one of them");
  const [createdRev, id] = decodeCursor(cursor, filters, placeForm, "?cursor").split(/\/(.*)/s) as [
    string,
    string,
  ];
  return { query: { ...query, after: { created_rev: Number(createdRev), id } }, question: filters };
}
