import { type Db, type Filter, MongoServerError, ObjectId } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";

export interface FoundUser {
  id: string;
  email?: string;
  phone?: string;
}

/** Nobody keeps an index of addresses for us: the collection is the product team's own. */
const patienceMs = 2_000;
const maxTimeExpired = 50;
const projection = { email: 1, phone: 1 } as const;

/** What is not a text or an ObjectId is no user that we could name. */
const ours: Filter<UserDocument> = { $or: [{ _id: { $type: "string" } }, { _id: { $type: "objectId" } }] };

/** Finds users for an operator. */
export function createUserSearch(db: Db) {
  const users = usersOf(db);

  /** By id: texts before ObjectIds. `after`: those behind it. */
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
    /** All of them, page by page. */
    list: (after: string | undefined, limit: number): Promise<FoundUser[]> =>
      orUnavailable(() => byId(ours, after, limit)),

    /** Those whose id begins with the text. */
    withId(text: string, after: string | undefined, limit: number): Promise<FoundUser[]> {
      const beginning = { $regex: `^${text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}` };
      const filter = { $or: [{ _id: beginning }, ...hexBeginning(text)] } as Filter<UserDocument>;
      return orUnavailable(() => byId(filter, after, limit));
    },

    /** Those whose e-mail or phone is the text. Rejects when that takes too long, and says what would help. */
    async withAddress(field: "email" | "phone", text: string, limit: number): Promise<FoundUser[]> {
      try {
        const found = users.find({ [field]: { $eq: text } }, { projection, maxTimeMS: patienceMs });
        return (await found.limit(limit).toArray()).map(userOf);
      } catch (error) {
        if (!(error instanceof MongoServerError) || error.code !== maxTimeExpired)
          return orUnavailable(() => Promise.reject(error));
        const says =
          `There are too many users to look for an address in all of them: search by id, or give MongoDB an index, ` +
          `db.users.createIndex({ ${field}: 1 }).`;
        throw new BelfryError("database_unavailable", says, [], error);
      }
    },
  };
}

export type UserSearch = ReturnType<typeof createUserSearch>;

/** Of the ids that are ObjectIds. */
function hexBeginning(text: string): Array<Filter<UserDocument>> {
  if (!/^[0-9a-f]{1,24}$/i.test(text)) return [];
  const [first, last] = ["0", "f"].map((digit) => new ObjectId(text.padEnd(24, digit)));
  return [{ _id: { $gte: first, $lte: last } }] as Array<Filter<UserDocument>>;
}

/** MongoDB compares within a type only, and sorts all strings before all ObjectIds. */
function behindOf(user: string): Filter<UserDocument> {
  const id = storedUserId(user);
  return id instanceof ObjectId
    ? { _id: { $gt: id } }
    : { $or: [{ _id: { $gt: id } }, { _id: { $type: "objectId" } }] };
}

/** The document is the product team's own: what does not have the expected form is not there. */
function userOf({ _id, email, phone }: UserDocument): FoundUser {
  return {
    id: wireUserId(_id),
    ...(typeof email === "string" && { email }),
    ...(typeof phone === "string" && { phone }),
  };
}
