import { isDeepStrictEqual } from "node:util";
import { type Db, type Document, type Filter, MongoServerError } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { isPreferences, type Preferences } from "../model/preferences.ts";
import type { AppendOptions } from "./append.ts";
import { newUserFields } from "./append-pipelines.ts";
import { patienceMs } from "./commit.ts";
import { duplicateKey, isFromMongo, orUnavailable, storeError } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { nextRev, numberOf, removedBefore } from "./inbox-items.ts";
import type { UserWrites } from "./user-writes.ts";

export interface StoredPreferences {
  preferences: Preferences;
  /** The inbox's `rev` at their last change; 0 before the first. */
  rev: number;
  /** The user's own. */
  timeZone?: string;
  locale?: string;
}

const projection = { notificationPreferences: 1, preferences_rev: 1, timeZone: 1, locale: 1 } as const;

/** A user who was erased may have left a document with the product team's own fields. */
const known: Filter<UserDocument> = { $or: [{ email: { $exists: true } }, { rev: { $exists: true } }] };

/** What users have chosen, in their documents. */
export function createPreferenceStore(db: Db, writes: UserWrites, newUser: AppendOptions["newUser"]) {
  const users = usersOf(db);
  const creation = newUserFields(newUser);
  const last = new Map<string, Promise<void>>();

  return {
    async read(user: string): Promise<StoredPreferences> {
      const _id = storedUserId(user);
      const options = { projection, readConcern: "majority" } as const;
      return storedOf(await orUnavailable(() => users.findOne({ _id }, options)));
    },

    /** Undefined for a user who has neither an address nor an inbox: nobody knows them, or they were erased. */
    async readKnown(user: string): Promise<StoredPreferences | undefined> {
      const filter = { _id: storedUserId(user), ...known };
      const found = await orUnavailable(() => users.findOne(filter, { projection }));
      return found ? storedOf(found) : undefined;
    },

    /**
     * Reads, calls `next` and writes, again when somebody else was faster. `next` may throw. Equal preferences are not
     * written. Creates a missing user, with the addresses of one whom a notification creates; for `onlyKnown` it rejects with
     * `not_found` instead.
     */
    change(
      user: string,
      next: (stored: Preferences) => Preferences,
      onlyKnown = false,
    ): Promise<StoredPreferences> {
      const filter = { _id: storedUserId(user), ...(onlyKnown && known) };
      const deadline = Date.now() + patienceMs;
      return afterOthers(user, async () => {
        while (Date.now() < deadline) {
          const found = await orUnavailable(() => users.findOne(filter, { projection }));
          if (!found && onlyKnown) throw new BelfryError("not_found", "There is no such user.");
          refuseForeign(found?.notificationPreferences);
          const stored = storedOf(found);
          const preferences = next(stored.preferences);
          if (isDeepStrictEqual(preferences, stored.preferences)) return stored;
          const written = await write({ ...filter, ...unchanged(found) }, preferences, user, found === null);
          if (written) return storedOf(written);
        }
        throw new BelfryError(
          "overloaded",
          "Too many changes of this user's preferences at once. Try again.",
        );
      });
    },
  };

  /** A user's changes in this process run one by one. Otherwise each would make all others repeat theirs. */
  function afterOthers<Result>(user: string, work: () => Promise<Result>): Promise<Result> {
    const result = (last.get(user) ?? Promise.resolve()).then(work);
    const end = result.then(
      () => {},
      () => {},
    );
    last.set(user, end);
    void end.then(() => last.get(user) === end && last.delete(user));
    return result;
  }

  /** Null when the document has changed since it was read. */
  async function write(
    filter: Filter<UserDocument>,
    preferences: Preferences,
    user: string,
    upsert: boolean,
  ): Promise<UserDocument | null> {
    const isEmpty = Object.keys(preferences).length === 0;
    const $set: Document = {
      ...(upsert && creation),
      rev: nextRev,
      preferences_rev: nextRev,
      removedBefore,
      // Literal: keys and texts are callers', such as `$email` or `a.b`.
      notificationPreferences: isEmpty ? "$$REMOVE" : { $literal: preferences },
    };
    try {
      const { value } = await writes(
        user,
        (options) =>
          users.findOneAndUpdate(filter, [{ $set }], {
            projection,
            upsert,
            returnDocument: "after",
            includeResultMetadata: true,
            ...options,
          }),
        upsert,
      );
      return value;
    } catch (error) {
      if (error instanceof MongoServerError && error.code === duplicateKey) return null;
      throw isFromMongo(error) ? storeError(error) : error;
    }
  }
}

/** Compares the whole value, since other programs change the document, too. */
const unchanged = (found: UserDocument | null): Filter<UserDocument> => {
  const value = found?.notificationPreferences;
  return { notificationPreferences: value === undefined ? { $exists: false } : { $eq: value } };
};

/** Another program may use the name for something else. */
function refuseForeign(value: unknown): void {
  if (value !== undefined && (typeof value !== "object" || Array.isArray(value)))
    throw new BelfryError(
      "user_document_conflict",
      "`notificationPreferences` in the user's document is not an object. Rename or remove the field.",
    );
}

function storedOf(found: UserDocument | null): StoredPreferences {
  return {
    preferences: (found && preferencesOf(found)) ?? {},
    rev: numberOf(found?.preferences_rev),
    ...(typeof found?.timeZone === "string" && { timeZone: found.timeZone }),
    ...(typeof found?.locale === "string" && { locale: found.locale }),
  };
}

/** The document is the product team's own: a restored or foreign value of another form is ignored. */
export function preferencesOf({ notificationPreferences: found }: UserDocument): Preferences | undefined {
  return isPreferences(found) ? found : undefined;
}
