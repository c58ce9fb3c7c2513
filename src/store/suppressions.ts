import { type Db, type Document, type Filter, ObjectId } from "mongodb";
import { type Channel, channels } from "../model/notification.ts";
import type { SuppressionEntry } from "../model/operate.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { wellFormed } from "./profiles.ts";
import type { UserWrites } from "./user-writes.ts";

/** The addresses that take nothing more, as they stand in their users' documents. */
export function createSuppressionStore(db: Db, writes: UserWrites) {
  const users = usersOf(db);

  return {
    /** By user and channel, those after `after`. Index `suppressed`. */
    list(
      filter: { user?: string; channel?: Channel },
      after: { user: string; channel: string } | undefined,
      limit: number,
    ): Promise<SuppressionEntry[]> {
      const { user, channel } = filter;
      const wanted = channel ? [channel] : channels;
      const query: Filter<UserDocument> = {
        suppressed: { $exists: true },
        ...(channel && { [`suppressed.${channel}`]: { $exists: true } }),
        $and: [user === undefined ? {} : { _id: storedUserId(user) }, after ? notBefore(after.user) : {}],
      };
      return orUnavailable(async () => {
        // Each has an entry at least, but the first may have been told of already.
        const found = await users
          .find(query, { projection: { suppressed: 1 }, batchSize: limit + 2 })
          .sort({ _id: 1 })
          .limit(limit + 1)
          .toArray();
        const entries = found.flatMap(({ _id, suppressed = {} }) =>
          wanted.flatMap((one) => {
            const known = wellFormed(suppressed)[one];
            return known ? [{ user: wireUserId(_id), channel: one, ...known }] : [];
          }),
        );
        const told = (entry: SuppressionEntry) =>
          after !== undefined &&
          entry.user === after.user &&
          channels.indexOf(entry.channel) <= channels.indexOf(after.channel as Channel);
        return entries.filter((entry) => !told(entry)).slice(0, limit);
      });
    },

    /** False when there is none. The next delivery is tried again. */
    remove(user: string, channel: Channel): Promise<boolean> {
      return orUnavailable(async () => {
        const path = `suppressed.${channel}`;
        const none: Document = { $eq: ["$suppressed", {}] };
        const { value } = await writes(user, (options) =>
          users.findOneAndUpdate(
            { _id: storedUserId(user), [path]: { $exists: true } },
            // The last one takes the field along, or the index would keep the user.
            [{ $unset: path }, { $set: { suppressed: { $cond: [none, "$$REMOVE", "$suppressed"] } } }],
            { projection: { _id: 1 }, includeResultMetadata: true, ...options },
          ),
        );
        return value !== null;
      });
    },
  };
}

/** MongoDB compares within a type only, and sorts all strings before all ObjectIds. */
function notBefore(user: string): Filter<UserDocument> {
  const id = storedUserId(user);
  return id instanceof ObjectId
    ? { _id: { $gte: id } }
    : { $or: [{ _id: { $gte: id } }, { _id: { $type: "objectId" } }] };
}
