import { createHash } from "node:crypto";
import type { Collection, Db, Document } from "mongodb";
import { duplicateKey, orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";

/** The newest messages of one user that count towards one limit. */
interface LimitDocument {
  /** `<user>/<hash of what is counted>`. */
  _id: string;
  at: Array<{ delivery: string; t: number }>;
  expireAt: Date;
}

export const limitsOf = (db: Db): Collection<LimitDocument> => db.collection("limits");

/** The documents of a user. Ids of users may contain a slash, so the user's part is a hash. */
export const limitsOfUser = (user: string): string => `${digest(String(storedUserId(user)))}/`;

const idOf = (user: string, key: string): string => limitsOfUser(user) + digest(key);

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22);

export interface LimitRequest {
  delivery: string;
  user: string;
  /** What is counted, such as a channel and a type. */
  key: string;
  limit: number;
  /** Earlier messages no longer count (Unix ms). */
  since: number;
  /** The entry is of no use after that (Unix ms). */
  until: number;
}

/** Messages that count towards throttles and budgets. `serverNow`: the database's clock. */
export function createLimitStore(db: Db, now: () => number, serverNow: () => number) {
  const limits = limitsOf(db);
  /**
   * Counts a message that is about to be sent. The same delivery counts once, so a retry or a crash changes nothing. Returns
   * undefined when it may be sent, else the time (Unix ms) of the oldest message that counts.
   */
  async function count(request: LimitRequest): Promise<number | undefined> {
    const { delivery, user, key, limit, since, until } = request;
    const _id = idOf(user, key);
    const entry = { delivery, t: now() };
    // MongoDB deletes by its own clock, also in virtual time.
    const expireAt = new Date(serverNow() + until - now());
    const current = {
      $filter: { input: { $ifNull: ["$at", []] }, cond: { $gte: ["$$this.t", since] } },
    };
    const mayAdd = {
      $and: [{ $lt: [{ $size: "$at" }, limit] }, { $not: [{ $in: [delivery, "$at.delivery"] }] }],
    };
    const update: Document[] = [
      { $set: { at: current, expireAt: { $max: ["$expireAt", expireAt] } } },
      { $set: { at: { $cond: [mayAdd, { $concatArrays: ["$at", [{ $literal: entry }]] }, "$at"] } } },
    ];
    const found = await orUnavailable(async () => {
      for (;;) {
        try {
          return await limits.findOneAndUpdate({ _id }, update, { upsert: true, returnDocument: "after" });
        } catch (error) {
          // Another worker has just created the document.
          if ((error as { code?: unknown }).code !== duplicateKey) throw error;
        }
      }
    });
    const at = found?.at ?? [];
    return at.some((one) => one.delivery === delivery) ? undefined : Math.min(...at.map((one) => one.t));
  }

  return {
    count,

    /** When the messages were counted that are there (Unix ms), one list for each question. */
    async counted(questions: Array<Pick<LimitRequest, "user" | "key">>): Promise<number[][]> {
      const ids = questions.map(({ user, key }) => idOf(user, key));
      const found = await orUnavailable(() => limits.find({ _id: { $in: [...new Set(ids)] } }).toArray());
      const times = new Map(found.map(({ _id, at }) => [_id, at.map((one) => one.t)]));
      return ids.map((id) => times.get(id) ?? []);
    },
  };
}

export type LimitStore = ReturnType<typeof createLimitStore>;
