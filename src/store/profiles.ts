import type { Db } from "mongodb";
import type { Recipient, Suppression } from "../model/channel.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import { type Profile, type ProfileChange, profileFields } from "../model/profile.ts";
import { isRefusal, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { preferencesOf } from "./preferences.ts";
import type { UserWrites } from "./user-writes.ts";

const projection = {
  email: 1,
  phone: 1,
  locale: 1,
  timeZone: 1,
  webhook: 1,
  suppressed: 1,
  notificationPreferences: 1,
} as const;
const profileProjection = { ...Object.fromEntries(profileFields.map((field) => [field, 1])), suppressed: 1 };

/** The users' addresses and suppressions. `everyone`: the addresses of users who have none of their own. */
export function createProfileStore(db: Db, writes: UserWrites, everyone: Recipient = {}) {
  const users = usersOf(db);
  return {
    /** One entry per user, in order. An unknown user has only `everyone`'s addresses. */
    async many(ids: string[]): Promise<Recipient[]> {
      const _id = { $in: [...new Set(ids)].map(storedUserId) };
      const found = await orUnavailable(() =>
        users.find({ _id }, { projection, batchSize: ids.length + 1 }).toArray(),
      );
      const byId = new Map(found.map((one) => [wireUserId(one._id), recipientOf(one)]));
      return ids.map((id) => ({ ...everyone, ...(byId.get(id) ?? { missing: true }) }));
    },

    async read(user: string): Promise<Profile | undefined> {
      const _id = storedUserId(user);
      const found = await orUnavailable(() => users.findOne({ _id }, { projection: profileProjection }));
      return found ? profileOf(found) : undefined;
    },

    /**
     * Creates a missing user. Rejects with `user_document_conflict` when a schema rule of the collection refuses it.
     */
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

    /**
     * Stores since when every attempt to this webhook has failed; undefined: an attempt succeeded. Storing a webhook
     * clears it.
     */
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

    /**
     * Suppresses an address that the user still has. A user who has another address by now, or was erased, needs
     * none.
     */
    async suppress(user: string, channel: Channel, suppression: Suppression): Promise<void> {
      const { address } = suppression;
      // The webhook may be the shared one, which is in no user's document.
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

/** The document is the product team's own: fields of an unexpected type are ignored. */
function recipientOf(document: UserDocument): Recipient {
  const { email, phone, locale, timeZone, webhook, suppressed } = document;
  const preferences = preferencesOf(document);
  return {
    ...(typeof email === "string" && { email }),
    ...(typeof phone === "string" && { phone }),
    ...(typeof locale === "string" && { locale }),
    ...(typeof timeZone === "string" && { timeZone }),
    ...(preferences && { preferences }),
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
