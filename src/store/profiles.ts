import type { Db } from "mongodb";
import type { Channel } from "../model/notification.ts";
import type { Recipient, Suppression } from "../model/provider.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";

const projection = { email: 1, phone: 1, webhook: 1, suppressed: 1 } as const;

/** Where users can be reached, and where not any more. */
export function createProfileStore(db: Db) {
  const users = usersOf(db);
  return {
    /** One entry a user, in order; empty for a user that does not exist. */
    async many(ids: string[]): Promise<Recipient[]> {
      const _id = { $in: [...new Set(ids)].map(storedUserId) };
      const found = await orUnavailable(() =>
        users.find({ _id }, { projection, batchSize: ids.length + 1 }).toArray(),
      );
      const byId = new Map(found.map((one) => [wireUserId(one._id), recipientOf(one)]));
      return ids.map((id) => byId.get(id) ?? {});
    },

    async suppress(user: string, channel: Channel, suppression: Suppression): Promise<void> {
      await users.updateOne(
        { _id: storedUserId(user) },
        { $set: { [`suppressed.${channel}`]: suppression } },
      );
    },
  };
}

/** The document is the product team's own: what does not have the expected form is not there. */
function recipientOf({ email, phone, webhook, suppressed }: UserDocument): Recipient {
  return {
    ...(typeof email === "string" && { email }),
    ...(typeof phone === "string" && { phone }),
    ...(typeof webhook?.url === "string" && Array.isArray(webhook.secrets) && { webhook }),
    ...(typeof suppressed === "object" && { suppressed: wellFormed(suppressed) }),
  };
}

/** A restored document may hold its dates as texts, for example. */
export function wellFormed(
  suppressed: NonNullable<UserDocument["suppressed"]>,
): Recipient["suppressed"] & object {
  const entries = Object.entries(suppressed ?? {}).filter(
    ([, one]) => typeof one?.address === "string" && typeof one.reason === "string" && one.at instanceof Date,
  );
  return Object.fromEntries(entries);
}
