import { type Db, type Filter, MongoServerError, ObjectId } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import type { InboxItem } from "../model/live.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { keptItem } from "./inbox-items.ts";

export interface FoundUser {
  id: string;
  email?: string;
  phone?: string;
}

/** Addresses and items have no index: the collection is the product team's own, and appends must stay cheap. */
const patienceMs = 2_000;
const maxTimeExpired = 50;
const projection = { email: 1, phone: 1 } as const;

/** Users with an id of another type cannot be named in our API. */
const ours: Filter<UserDocument> = { $or: [{ _id: { $type: "string" } }, { _id: { $type: "objectId" } }] };

/** Finds users and inbox items for an operator. */
export function createUserSearch(db: Db) {
  const users = usersOf(db);

  /** Sorted by id, strings before ObjectIds. `after`: the id before the first result. */
  async function byId(filter: Filter<UserDocument>, after: string | undefined, limit: number) {
    const behind = after === undefined ? {} : behindOf(after);
    const found = await users
      .find(
        { $and: [filter, behind] },
        {
          projection,
          batchSize: limit + 1,
          maxTimeMS: patienceMs,
        },
      )
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    return found.map(userOf);
  }

  return {
    /** All users, page by page. */
    list: (after: string | undefined, limit: number): Promise<FoundUser[]> =>
      orUnavailable(() => byId(ours, after, limit)),

    /** Users whose id begins with the text. */
    withId(text: string, after: string | undefined, limit: number): Promise<FoundUser[]> {
      const beginning = { $regex: `^${text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}` };
      const filter = { $or: [{ _id: beginning }, ...hexBeginning(text)] } as Filter<UserDocument>;
      return orUnavailable(() => byId(filter, after, limit));
    },

    /**
     * The user whose inbox has the notification, and the item. Scans all users, and rejects when that takes too long.
     */
    async withNotification(id: string): Promise<{ user: string; item: InboxItem } | undefined> {
      const item = { notifications: { $elemMatch: { id } } };
      try {
        const found = await users.findOne(item, { projection: item, maxTimeMS: patienceMs });
        const kept = found?.notifications?.[0];
        return kept && { user: wireUserId(found._id), item: keptItem(kept) };
      } catch (error) {
        const says = "There are too many users to search every inbox. Search by user id instead.";
        return tooMany(error, says);
      }
    },

    /** Users with this e-mail address or phone number. Rejects when that takes too long. */
    async withAddress(field: "email" | "phone", text: string, limit: number): Promise<FoundUser[]> {
      try {
        const found = users.find({ [field]: { $eq: text } }, { projection, maxTimeMS: patienceMs });
        return (await found.limit(limit).toArray()).map(userOf);
      } catch (error) {
        const says =
          `There are too many users to search for an address. Search by user id, or create an index in MongoDB: ` +
          `db.users.createIndex({ ${field}: 1 }).`;
        return tooMany(error, says);
      }
    },
  };
}

function tooMany(error: unknown, says: string): Promise<never> {
  if (!(error instanceof MongoServerError) || error.code !== maxTimeExpired)
    return orUnavailable(() => Promise.reject(error));
  throw new BelfryError("database_unavailable", says, [], error);
}

export type UserSearch = ReturnType<typeof createUserSearch>;

/** Matches ids that are ObjectIds. */
function hexBeginning(text: string): Array<Filter<UserDocument>> {
  if (!/^[0-9a-f]{1,24}$/i.test(text)) return [];
  const [first, last] = ["0", "f"].map((digit) => new ObjectId(text.padEnd(24, digit)));
  return [{ _id: { $gte: first, $lte: last } }] as Array<Filter<UserDocument>>;
}

/** MongoDB compares only within a type, and sorts all strings before all ObjectIds. */
function behindOf(user: string): Filter<UserDocument> {
  const id = storedUserId(user);
  return id instanceof ObjectId
    ? { _id: { $gt: id } }
    : { $or: [{ _id: { $gt: id } }, { _id: { $type: "objectId" } }] };
}

/** The document belongs to the product team: fields of another form are ignored. */
function userOf({ _id, email, phone }: UserDocument): FoundUser {
  return {
    id: wireUserId(_id),
    ...(typeof email === "string" && { email }),
    ...(typeof phone === "string" && { phone }),
  };
}
