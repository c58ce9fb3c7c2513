import type { Db } from "mongodb";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";

/** Where users can be reached. */
export function createProfileStore(db: Db) {
  return {
    /** One entry a user, in order; empty for a user that does not exist. */
    async many(users: string[]): Promise<Array<{ email?: string }>> {
      const _id = { $in: [...new Set(users)].map(storedUserId) };
      const found = await usersOf(db)
        .find({ _id }, { projection: { email: 1 }, batchSize: users.length + 1 })
        .toArray();
      const byId = new Map(found.map((one) => [wireUserId(one._id), one]));
      return users.map((user) => {
        const email: unknown = byId.get(user)?.email;
        return typeof email === "string" ? { email } : {};
      });
    },
  };
}
