import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import {
  SubscriberDto,
  SubscribersChangedDto,
  subscriberDto,
  TopicDetailsDto,
  TopicDto,
  topicDetailsDto,
  topicDto,
  UserTopicDto,
  userTopicDto,
} from "../../core/topic-dto.ts";
import type { Topics } from "../../core/topics.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { userInPath } from "../auth.ts";
import { cursorIn, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import { ignoreBodies } from "../validation.ts";
import { next_cursor } from "./delivery-schemas.ts";
import { largeBody } from "./large-body.ts";
import { TopicKey, UserId, UserPath } from "./schemas.ts";
import { PageQuery, readSubscribers, SubscribersBody, TopicBody } from "./topic-schemas.ts";

const TopicPath = Type.Object({ key: TopicKey });
const SubscriberPath = Type.Object({ key: TopicKey, user: UserId });
const TopicPage = Type.Object({ data: Type.Array(TopicDto), next_cursor }, { title: "TopicPage" });
const SubscriberPage = Type.Object(
  { data: Type.Array(SubscriberDto), next_cursor },
  { title: "SubscriberPage" },
);
const UserTopicPage = Type.Object(
  { data: Type.Array(UserTopicDto), next_cursor },
  { title: "UserTopicPage" },
);

type Query = { Querystring: Static<typeof PageQuery> };
type Key = { Params: { key: string } };
type Subscriber = { Params: { key: string; user: string } };

const tags = ["topics"];
const path = "/v1/topics/:key";

/** A bearer that opens only one user's data. */
const isOwnUser = ({ access }: FastifyRequest): boolean => access?.user !== undefined;

/** Topics and their subscribers. A user's token subscribes and unsubscribes that user where the topic is open. */
export async function topicRoutes(app: FastifyInstance, topics: Topics): Promise<void> {
  app.get<Query>(
    "/v1/topics",
    {
      schema: { tags, summary: "List topics by key", querystring: PageQuery, response: { 200: TopicPage } },
    },
    async (request, reply) => {
      const { limit, cursor } = request.query;
      const { data, next } = await topics.list(limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, next);
      return { data: data.map(topicDto), ...nextCursor(next) };
    },
  );

  app.get<Key>(
    path,
    {
      schema: {
        tags,
        summary: "Show a topic, with the number of its subscribers",
        params: TopicPath,
        response: { 200: TopicDetailsDto },
      },
    },
    async ({ params }) => topicDetailsDto(await topics.show(params.key)),
  );

  app.put<Key & { Body: Static<typeof TopicBody> }>(
    path,
    {
      config: { bodyOptional: true },
      schema: {
        tags,
        summary: "Create or replace a topic",
        description: "Keeps the subscribers. Without a `title` the topic has none.",
        params: TopicPath,
        body: TopicBody,
        response: { 200: TopicDto, 201: TopicDto },
      },
    },
    async ({ params, body }, reply) => {
      const { topic, created } = await topics.put(params.key, body);
      return reply.code(created ? 201 : 200).send(topicDto(topic));
    },
  );

  app.get<Key & Query>(
    `${path}/subscribers`,
    {
      schema: {
        tags,
        summary: "List a topic's subscribers, by user",
        params: TopicPath,
        querystring: PageQuery,
        response: { 200: SubscriberPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = request.query;
      const { data, next } = await topics.subscribers(request.params.key, limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, next);
      return { data: data.map(subscriberDto), ...nextCursor(next) };
    },
  );

  app.post<Key & { Body: Static<typeof SubscribersBody> }>(
    `${path}/subscribers`,
    {
      ...largeBody(1),
      schema: {
        tags,
        summary: "Subscribe and unsubscribe up to 1,000 users",
        description: "Can be repeated. A user may be named once.",
        params: TopicPath,
        body: SubscribersBody,
        response: { 200: SubscribersChangedDto },
      },
    },
    async ({ params, body }) => {
      const { add, remove } = readSubscribers(body);
      return topics.change(params.key, add, remove);
    },
  );

  app.get<{ Params: { id: string } } & Query>(
    "/v1/users/:id/topics",
    {
      config: { user: userInPath("id") },
      schema: {
        tags,
        summary: "List the topics that a user has subscribed to",
        params: UserPath,
        querystring: PageQuery,
        response: { 200: UserTopicPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = request.query;
      const user = canonicalUser(request.params.id);
      const { data, next } = await topics.ofUser(user, limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, next);
      return { data: data.map(userTopicDto), ...nextCursor(next) };
    },
  );

  await app.register(async (own) => {
    ignoreBodies(own);
    own.delete<Key>(
      path,
      {
        schema: {
          tags,
          summary: "Delete a topic and its subscriptions",
          description:
            "From the first request on nobody finds the topic. A large one may take several requests: 503 says that there is more to delete.",
          params: TopicPath,
          response: { 204: Type.Null() },
        },
      },
      async ({ params }, reply) => {
        await topics.remove(params.key);
        return reply.code(204).send();
      },
    );

    const config = { user: userInPath("user") };
    own.put<Subscriber>(
      `${path}/subscribers/:user`,
      {
        config,
        schema: {
          tags,
          summary: "Subscribe a user",
          description: "A user's token is enough where the topic is open.",
          params: SubscriberPath,
          response: { 200: SubscriberDto, 201: SubscriberDto },
        },
      },
      async (request, reply) => {
        const { key, user } = request.params;
        const done = await topics.subscribe(key, canonicalUser(user), isOwnUser(request));
        return reply.code(done.created ? 201 : 200).send(subscriberDto(done.subscription));
      },
    );

    own.delete<Subscriber>(
      `${path}/subscribers/:user`,
      {
        config,
        schema: {
          tags,
          summary: "Unsubscribe a user",
          description: "A user's token is enough where the topic is open.",
          params: SubscriberPath,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const { key, user } = request.params;
        await topics.unsubscribe(key, canonicalUser(user), isOwnUser(request));
        return reply.code(204).send();
      },
    );
  });
}
