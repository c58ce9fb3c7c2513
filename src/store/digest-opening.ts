import { createHash } from "node:crypto";
import { ObjectId } from "mongodb";
import type { HeldDelivery, StoredDecision } from "../model/delivery.ts";
import type { DigestKey, Hold } from "../model/digest.ts";
import type { DeliveryDocument } from "./deliveries.ts";
import { storedUserId } from "./ids.ts";

/** A delivery that is to join a digest. */
export interface Joining {
  delivery: HeldDelivery;
  hold: Hold;
  decision: StoredDecision;
}

/** Deliveries that join the same digest. */
export interface Opening {
  user: ObjectId | string;
  channel: string;
  /** `openKey`. */
  open: string;
  hold: Hold;
  count: number;
  /** The delivery that opens the digest, if none is open. */
  opener: { id: string; type: string };
}

/** A user has one open digest for each of these. The value of `by` may be long. */
export const openKey = (channel: string, { scope, by = "" }: DigestKey): string =>
  createHash("sha256")
    .update(JSON.stringify([channel, scope, by]))
    .digest("base64url");

/** The upsert that counts deliveries in their digest, or opens it with them under this id. */
export function opening({ user, channel, open, hold, count, opener }: Opening, at: Date, id: string) {
  const { scope, by, due, extend, max, first } = hold;
  const most = max ?? Number.MAX_SAFE_INTEGER;
  const document: Omit<DeliveryDocument, "_id"> & { _id: ObjectId } = {
    _id: new ObjectId(id),
    notification: new ObjectId(id),
    user,
    type: opener.type,
    channel,
    content: { key: opener.type, at: at.getTime() },
    digest: {
      scope,
      ...(by !== undefined && { by: by.slice(0, maxShown) }),
      count: first ? count - 1 : count,
    },
    open,
    ...(first && { first: new ObjectId(opener.id) }),
    state: "pending",
    due: count >= most ? at : new Date(due),
    tries: 0,
    attempts: [],
    createdAt: at,
    updatedAt: at,
  };
  // The first one, which is sent at once, is no member, also when it is asked again after a crash.
  const added = first ? { $cond: [{ $eq: ["$first", new ObjectId(opener.id)] }, count - 1, count] } : count;
  const total = { $add: ["$digest.count", added] };
  const later = extend && {
    $max: ["$due", { $min: [new Date(at.getTime() + extend.ms), { $add: ["$createdAt", extend.lastMs] }] }],
  };
  return {
    filter: { user, open },
    update: [
      {
        $replaceWith: {
          $cond: [
            { $eq: [{ $type: "$state" }, "missing"] },
            { $literal: document },
            {
              $mergeObjects: [
                "$$ROOT",
                {
                  digest: { $mergeObjects: ["$digest", { count: total }] },
                  due: { $cond: [{ $gte: [total, most] }, { $min: ["$due", at] }, later ?? "$due"] },
                  updatedAt: at,
                },
              ],
            },
          ],
        },
      },
    ],
    upsert: true,
  };
}

/** Characters of a `by` that are kept to be shown. */
const maxShown = 200;

/** The deliveries of a batch that join the same digest. */
type Group = Opening & { entries: Joining[] };

export const groupKey = (user: ObjectId | string, open: string): string => `${open} ${user}`;

export function groupsOf(batch: Joining[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const entry of batch) {
    const { delivery, hold } = entry;
    const { channel, content } = delivery;
    const user = storedUserId(delivery.user);
    const open = openKey(channel, hold);
    const key = groupKey(user, open);
    const opener = { id: delivery.id, type: content.key };
    const group = groups.get(key) ?? { user, channel, open, hold, count: 0, opener, entries: [] };
    group.entries.push(entry);
    group.count++;
    groups.set(key, group);
  }
  return groups;
}

/** The users are for a sharded cluster, which asks only the shards that have them. */
export const idsAndUsers = (entries: Joining[]) => ({
  _id: { $in: entries.map(({ delivery }) => new ObjectId(delivery.id)) },
  user: { $in: [...new Set(entries.map(({ delivery }) => delivery.user))].map(storedUserId) },
});

/** Matches those whose leases are still theirs. */
export const stillHeld = (entries: Joining[]) => ({
  ...idsAndUsers(entries),
  "lease.token": {
    $in: [...new Set(entries.map(({ delivery }) => delivery.token))].map((one) => new ObjectId(one)),
  },
});
