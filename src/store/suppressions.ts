import { type Db, type Document, type Filter, ObjectId } from "mongodb";
import type { Channel } from "../model/notification.ts";
import type { SuppressionEntry, SuppressionFilter } from "../model/suppression.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { wellFormed } from "./profiles.ts";
import type { UserWrites } from "./user-writes.ts";

/** The suppressed addresses, as stored in their users' documents. */
export function createSuppressionStore(db: Db, writes: UserWrites, channels: Channel[]) {
  const users = usersOf(db);

  return {
    /** Ordered by user and channel, entries after `after`. Index `suppressed`. */
    list(
      filter: SuppressionFilter,
      after: { user: string; channel: string } | undefined,
      limit: number,
    ): Promise<SuppressionEntry[]> {
      const { user, channel, reason, from, to } = filter;
      const wanted = channel ? [channel] : channels;
      const at = {
        ...(from !== undefined && { $gte: new Date(from) }),
        ...(to !== undefined && { $lt: new Date(to) }),
      };
      const query: Filter<UserDocument> = {
        suppressed: { $exists: true },
        $or: wanted.map((one) => ({
          [`suppressed.${one}`]: { $exists: true },
          ...(reason && { [`suppressed.${one}.reason`]: reason }),
          ...(Object.keys(at).length > 0 && { [`suppressed.${one}.at`]: at }),
        })),
        $and: [user === undefined ? {} : { _id: storedUserId(user) }, after ? notBefore(after.user) : {}],
      };
      return orUnavailable(async () => {
        // Each user has at least one entry, but the first user's may all have been on the previous page.
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
        const matches = (entry: SuppressionEntry) =>
          (reason === undefined || entry.reason === reason) &&
          (from === undefined || entry.at.getTime() >= from) &&
          (to === undefined || entry.at.getTime() < to);
        const told = (entry: SuppressionEntry) =>
          after !== undefined &&
          entry.user === after.user &&
          channels.indexOf(entry.channel) <= channels.indexOf(after.channel);
        return entries.filter((entry) => matches(entry) && !told(entry)).slice(0, limit);
      });
    },

    /** False when there is none, or with `at` when the stored one has another time. Later deliveries are sent again. */
    remove(user: string, channel: Channel, at?: Date): Promise<boolean> {
      return orUnavailable(async () => {
        const path = `suppressed.${channel}`;
        const none: Document = { $eq: ["$suppressed", {}] };
        const { value } = await writes(user, (options) =>
          users.findOneAndUpdate(
            { _id: storedUserId(user), [path]: { $exists: true }, ...(at && { [`${path}.at`]: at }) },
            // Remove the field with its last entry, or the index would keep the user. Give a webhook a fresh start,
            // or its next failure would disable it again.
            [
              { $unset: channel === "webhook" ? [path, "webhook.failingSince"] : path },
              { $set: { suppressed: { $cond: [none, "$$REMOVE", "$suppressed"] } } },
            ],
            { projection: { _id: 1 }, includeResultMetadata: true, ...options },
          ),
        );
        return value !== null;
      });
    },
  };
}

/** MongoDB compares only within a type, and sorts all strings before all ObjectIds. */
function notBefore(user: string): Filter<UserDocument> {
  const id = storedUserId(user);
  return id instanceof ObjectId
    ? { _id: { $gte: id } }
    : { $or: [{ _id: { $gte: id } }, { _id: { $type: "objectId" } }] };
}
