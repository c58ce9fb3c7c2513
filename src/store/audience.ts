import { type Db, type Filter, MongoServerError, ObjectId } from "mongodb";
import type { Audience, AudienceFilter, AudiencePage, FilterValue } from "../model/broadcast.ts";
import { isHex24 } from "../model/user-id.ts";
import { maxTimeExpired, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { ofTopic, subscriptionsOf } from "./topics.ts";

/**
 * A filter's fields may have no index. So a page looks at no more than this many users, and a sparse audience gives
 * some empty pages instead of one query that takes minutes.
 */
const window = 5_000;
const patienceMs = 20_000;

/**
 * Whom a broadcast goes to, in pages by `_id`: texts, then ObjectIds. Users with an id of another type cannot be named
 * in our API. A position is the last id that was looked at, with `s` (a text) or `o` (an ObjectId) before it, since a
 * foreign text may look like an ObjectId.
 */
export function createAudienceStore(db: Db) {
  const users = usersOf(db);
  const subscriptions = subscriptionsOf(db);

  async function pageOfUsers(
    filter: Filter<UserDocument>,
    position: string,
    limit: number,
  ): Promise<AudiencePage> {
    const isFiltered = Object.keys(filter).length > 0;
    const options = { projection: { _id: 1 }, maxTimeMS: patienceMs } as const;
    const begin = rangeFrom(position);
    const [bound] = isFiltered
      ? await users
          .find({ _id: begin }, options)
          .sort({ _id: 1 })
          .skip(window - 1)
          .limit(1)
          .toArray()
      : [];
    const _id = { ...begin, ...(bound && { $lte: bound._id }) };
    const found = await users
      .find({ ...filter, _id }, { ...options, batchSize: limit + 1 })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    const last = found.length === limit ? found.at(-1)?._id : bound?._id;
    const next = last === undefined ? (position.startsWith("s") ? "o" : undefined) : positionOf(last);
    const known = found.filter(({ _id: id }) => typeof id !== "string" || !isHex24(id));
    return { users: known.map((one) => wireUserId(one._id)), ...(next !== undefined && { next }) };
  }

  async function pageOfTopic(
    topic: string,
    position: string | undefined,
    limit: number,
  ): Promise<AudiencePage> {
    const found = await subscriptions
      .find(ofTopic(topic, position === undefined ? undefined : lastAt(position)), {
        projection: { _id: 1 },
        batchSize: limit + 1,
      })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    const last = found.length === limit ? found.at(-1)?._id.user : undefined;
    return {
      users: found.map((one) => wireUserId(one._id.user)),
      ...(last !== undefined && { next: positionOf(last) }),
    };
  }

  return {
    /** Up to `limit` users from `position` on. */
    page: (audience: Audience, position: string | undefined, limit: number): Promise<AudiencePage> =>
      orUnavailable(async () => {
        if ("users" in audience) return pageOfList(audience.users, position, limit);
        if ("topic" in audience) return pageOfTopic(audience.topic, position, limit);
        return pageOfUsers("filter" in audience ? queryOf(audience.filter) : {}, position ?? "s", limit);
      }),

    /** How many users there are; undefined when counting takes longer than `maxTimeMS`. Indexes count all but a filter. */
    async count(audience: Audience, maxTimeMS: number): Promise<number | undefined> {
      if ("users" in audience) return audience.users.length;
      try {
        return await orUnavailable(async () => {
          if ("topic" in audience)
            return subscriptions.countDocuments(ofTopic(audience.topic), { maxTimeMS });
          const filter = "filter" in audience ? queryOf(audience.filter) : {};
          const of = (position: string) =>
            users.countDocuments({ ...filter, _id: rangeFrom(position) }, { maxTimeMS });
          const [texts, objectIds] = await Promise.all([of("s"), of("o")]);
          return texts + objectIds;
        });
      } catch (error) {
        const { cause } = error as { cause?: unknown };
        if (cause instanceof MongoServerError && cause.code === maxTimeExpired) return undefined;
        throw error;
      }
    },

    /** Whether the user is one of them. */
    has: (audience: Audience, user: string): Promise<boolean> =>
      orUnavailable(async () => {
        if ("users" in audience) return audience.users.includes(user);
        const id = storedUserId(user);
        if ("topic" in audience)
          return (await subscriptions.findOne({ _id: { topic: audience.topic, user: id } })) !== null;
        const filter = "filter" in audience ? queryOf(audience.filter) : {};
        return (await users.findOne({ ...filter, _id: id }, { projection: { _id: 1 } })) !== null;
      }),
  };
}

const positionOf = (id: string | ObjectId): string =>
  typeof id === "string" ? `s${id}` : `o${id.toHexString()}`;

/** The ids behind a position, of its type alone: MongoDB compares within a type. A bare letter is before the first one. */
function rangeFrom(position: string): { $gt?: string | ObjectId; $gte?: ObjectId } {
  return position === "o" ? { $gte: new ObjectId("0".repeat(24)) } : { $gt: lastAt(position) };
}

const lastAt = (position: string): string | ObjectId =>
  position.startsWith("s") ? position.slice(1) : new ObjectId(position.slice(1));

function pageOfList(users: string[], position: string | undefined, limit: number): AudiencePage {
  const from = position === undefined ? 0 : users.findIndex((user) => user > position);
  const page = from < 0 ? [] : users.slice(from, from + limit);
  const last = page.at(-1);
  return { users: page, ...(last !== undefined && from + limit < users.length && { next: last }) };
}

/** Callers' texts never become operators: each value is named by `$in`. 24 hex digits also mean an ObjectId. */
function queryOf(filter: AudienceFilter): Filter<UserDocument> {
  const alike = (value: FilterValue): Array<FilterValue | ObjectId> =>
    typeof value === "string" && isHex24(value) ? [value, new ObjectId(value)] : [value];
  return Object.fromEntries(
    Object.entries(filter).map(([field, value]) => [
      field,
      { $in: ([value].flat() as FilterValue[]).flatMap(alike) },
    ]),
  );
}
