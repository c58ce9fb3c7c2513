import type { Db } from "mongodb";
import type { Recipient, Suppression } from "../model/channel.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import { type Profile, type ProfileChange, profileFields } from "../model/profile.ts";
import { isRefusal, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import type { UserWrites } from "./user-writes.ts";

const projection = { email: 1, phone: 1, locale: 1, timeZone: 1, webhook: 1, suppressed: 1 } as const;
const profileProjection = { ...Object.fromEntries(profileFields.map((field) => [field, 1])), suppressed: 1 };

/** Where users can be reached, and where not any more. `everyone`: the addresses of users who have none of their own. */
export function createProfileStore(db: Db, writes: UserWrites, everyone: Recipient = {}) {
  const users = usersOf(db);
  return {
    /** One entry a user, in order; only `everyone`'s addresses for a user that does not exist. */
    async many(ids: string[]): Promise<Recipient[]> {
      const _id = { $in: [...new Set(ids)].map(storedUserId) };
      const found = await orUnavailable(() =>
        users.find({ _id }, { projection, batchSize: ids.length + 1 }).toArray(),
      );
      const byId = new Map(found.map((one) => [wireUserId(one._id), recipientOf(one)]));
      return ids.map((id) => ({ ...everyone, ...byId.get(id) }));
    },

    async read(user: string): Promise<Profile | undefined> {
      const _id = storedUserId(user);
      const found = await orUnavailable(() => users.findOne({ _id }, { projection: profileProjection }));
      return found ? profileOf(found) : undefined;
    },

    /** Creates the user when missing. Rejects with `user_document_conflict` when a rule of the collection's refuses it. */
    async write(user: string, change: ProfileChange): Promise<{ profile: Profile; created: boolean }> {
      const entries = Object.entries(change);
      const $set = Object.fromEntries(entries.filter(([, value]) => value !== null));
      const gone = entries.filter(([, value]) => value === null);
      const $unset: Record<string, 1> = Object.fromEntries(gone.map(([field]) => [field, 1]));
      const write = (upsert: boolean) =>
        orUnavailable(() =>
          writes(
            user,
            (options) =>
              users.findOneAndUpdate(
                { _id: storedUserId(user) },
                { $set, $unset },
                {
                  upsert,
                  returnDocument: "after",
                  projection: profileProjection,
                  includeResultMetadata: true,
                  ...options,
                },
              ),
            upsert,
          ),
        );
      try {
        const known = await write(false);
        const { value, lastErrorObject } = known.value ? known : await write(true);
        return { profile: profileOf(value as UserDocument), created: !lastErrorObject?.updatedExisting };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        const says = "A schema rule of the users collection refuses this profile.";
        throw new BelfryError("user_document_conflict", says, [], error);
      }
    },

    /** Since when every attempt to this webhook has failed; undefined: one has arrived. Storing a webhook forgets it. */
    async noteFailing(user: string, url: string, since: Date | undefined): Promise<void> {
      const path = "webhook.failingSince";
      await writes(user, (options) =>
        users.updateOne(
          { _id: storedUserId(user), "webhook.url": url, [path]: { $exists: since === undefined } },
          since === undefined ? { $unset: { [path]: 1 } } : { $set: { [path]: since } },
          options,
        ),
      );
    },

    /** Of an address that is still the user's: who has another one, or was erased meanwhile, needs none. */
    async suppress(user: string, channel: Channel, suppression: Suppression): Promise<void> {
      const { address } = suppression;
      // A webhook may be that of all users, which is in no document.
      const still = channel === "email" ? { email: address } : channel === "sms" ? { phone: address } : {};
      await orUnavailable(() =>
        writes(user, (options) =>
          users.updateOne(
            { _id: storedUserId(user), ...still },
            { $set: { [`suppressed.${channel}`]: suppression } },
            options,
          ),
        ),
      );
    },
  };
}

function profileOf(document: UserDocument): Profile {
  const { suppressed, webhook, ...rest } = recipientOf(document);
  const disabled = suppressed?.webhook;
  return {
    ...rest,
    ...(webhook && {
      webhook: {
        ...webhook,
        ...(disabled?.address === webhook.url && {
          disabled: { since: disabled.at, reason: disabled.reason },
        }),
      },
    }),
  };
}

/** The document is the product team's own: what does not have the expected form is not there. */
function recipientOf({ email, phone, locale, timeZone, webhook, suppressed }: UserDocument): Recipient {
  return {
    ...(typeof email === "string" && { email }),
    ...(typeof phone === "string" && { phone }),
    ...(typeof locale === "string" && { locale }),
    ...(typeof timeZone === "string" && { timeZone }),
    ...(typeof webhook?.url === "string" &&
      Array.isArray(webhook.secrets) && { webhook: webhookOf(webhook) }),
    ...(typeof suppressed === "object" && { suppressed: wellFormed(suppressed) }),
  };
}

function webhookOf({ url, secrets, headers, failingSince }: NonNullable<UserDocument["webhook"]>) {
  const texts = Object.entries(headers ?? {}).filter(([, value]) => typeof value === "string");
  return {
    url,
    secrets,
    ...(texts.length > 0 && { headers: Object.fromEntries(texts) }),
    ...(failingSince instanceof Date && { failingSince }),
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
