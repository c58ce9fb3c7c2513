import { type AnyBulkWriteOperation, type ClientSession, type Db, ObjectId } from "mongodb";
import type { HeldDelivery, StoredDecision } from "../model/delivery.ts";
import type { Hold } from "../model/digest.ts";
import { byId, type DeliveryDocument, deliveriesOf, storedDecision } from "./deliveries.ts";
import { createDigestMembers, gathered } from "./digest-members.ts";
import {
  groupKey,
  groupsOf,
  idsAndUsers,
  type Joining,
  opening,
  openKey,
  stillHeld,
} from "./digest-opening.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { bucketsOf, type Tally } from "./tally.ts";
import { createTransactions } from "./transactions.ts";

/** `first`: it opened the digest, whose rule sends the first at once. `lost`: its lease is gone. */
export type Joined = "held" | "first" | "lost";

const patienceMs = 8_000;

/** Digests are deliveries. Their notifications are deliveries in the state `held`, whose `into` names the digest. */
export function createDigestStore(options: {
  client: Parameters<typeof createTransactions>[0]["client"];
  db: Db;
  transactions: boolean;
  now: () => number;
  storedAt: () => number;
  newId: () => string;
  retentionDays: number;
  tally: Tally;
}) {
  const { db, storedAt, now } = options;
  const deliveries = deliveriesOf(db);
  const inTransaction = createTransactions(options);
  const expireAt = () => new Date(storedAt() + options.retentionDays * 24 * 60 * 60_000);

  /** In the ledger: a digest is a delivery that nobody has accepted before. */
  async function countOpened(
    opened: Array<{ channel: string }>,
    at: Date,
    slot: number,
    session: ClientSession | undefined,
  ): Promise<void> {
    if (opened.length === 0) return;
    const { filter, update } = options.tally(opened, at, slot);
    await bucketsOf(db).updateOne(filter, update, { upsert: true, ...(session && { session }) });
  }

  /**
   * Gathers deliveries in the open digests of their users, and opens those that are missing. The claim of a digest closes it
   * in the same update. So either the claim finds these deliveries, or this transaction conflicts with the claim, runs again
   * and opens the next digest.
   */
  async function join(batch: Joining[], session?: ClientSession, slot = 0): Promise<Joined[]> {
    const at = new Date(storedAt());
    const groups = [...groupsOf(batch).values()];
    const { upsertedIds } = await deliveries.bulkWrite(
      groups.map((group) => ({ updateOne: opening(group, at, options.newId()) })),
      { ordered: false, ...(session && { session }) },
    );
    await countOpened(
      groups.filter((_, index) => upsertedIds[index] !== undefined),
      at,
      slot,
      session,
    );
    const found = await deliveries
      .find(
        {
          user: { $in: groups.map(({ user }) => user) },
          open: { $in: groups.map(({ open }) => open) },
        },
        {
          projection: { user: 1, open: 1, first: 1 },
          batchSize: groups.length + 1,
          ...(session && { session }),
        },
      )
      .toArray();
    const digests = new Map(found.map((one) => [groupKey(one.user, one.open as string), one]));
    const results = new Map<Joining, Joined>();
    const moves = groups.map(({ user, open, entries }): AnyBulkWriteOperation<DeliveryDocument> => {
      const digest = digests.get(groupKey(user, open));
      // It is a member after all when a limit keeps it from being sent at once: then its `hold` has no `first`.
      const isFirst = ({ delivery, hold }: Joining) =>
        hold.first === true && digest?.first?.toHexString() === delivery.id;
      const members = digest ? entries.filter((one) => !isFirst(one)) : [];
      // Without a transaction, a claim may have closed it meanwhile.
      for (const one of entries) results.set(one, digest ? (isFirst(one) ? "first" : "held") : "lost");
      const [{ decision } = { decision: undefined }] = members;
      return {
        updateMany: {
          filter: { ...stillHeld(members), state: "sending" },
          update: {
            $set: { state: "held", into: digest?._id as ObjectId, updatedAt: at },
            $unset: { lease: 1 },
            ...(decision && { $push: { decisions: storedDecision(decision) } }),
          },
          ...byId,
        },
      };
    });
    const { matchedCount } = await deliveries.bulkWrite(moves, {
      ordered: false,
      ...(session && { session }),
    });
    const held = batch.filter((one) => results.get(one) === "held");
    if (matchedCount < held.length) {
      const these = idsAndUsers(held);
      const found = await deliveries
        .find(
          { ...these, state: "held", updatedAt: at },
          { projection: { _id: 1 }, ...byId, ...(session && { session }) },
        )
        .toArray();
      const ids = new Set(found.map((one) => one._id.toHexString()));
      const lost = held.filter(({ delivery }) => !ids.has(delivery.id));
      // The digests have counted them already, so a transaction runs again without them.
      if (session) throw new LostLeases(lost);
      for (const one of lost) results.set(one, "lost");
    }
    return batch.map((one) => results.get(one) as Joined);
  }

  return {
    /** One entry each, in order. A failure leaves every delivery as it was. */
    join(batch: Joining[]): Promise<Joined[]> {
      return orUnavailable(async () => {
        if (!options.transactions) return joinApart(batch);
        const deadline = now() + patienceMs;
        const results = new Map<Joining, Joined>();
        for (let rest = batch; rest.length > 0; ) {
          try {
            await inTransaction(
              async (session, slot) => {
                const joined = await join(rest, session, slot);
                for (const [index, one] of rest.entries()) results.set(one, joined[index] as Joined);
              },
              { conflicts: deadline, deadline },
            );
            break;
          } catch (error) {
            if (error instanceof LostLeases) {
              for (const one of error.lost) results.set(one, "lost");
              rest = rest.filter((one) => !error.lost.includes(one));
            }
            // Another worker has just opened the same digest.
            else if ((error as { code?: unknown }).code !== duplicateKey || now() > deadline) throw error;
          }
        }
        return batch.map((one) => results.get(one) as Joined);
      });
    },

    /**
     * Moves the notifications of a claimed digest, which may not be sent now, into another one. It ends as digested itself. False
     * when its lease is lost. Without transactions a crash in between repeats the rest.
     */
    merge(digest: HeldDelivery, hold: Hold, decision: StoredDecision): Promise<boolean> {
      return orUnavailable(async () => {
        let merged = false;
        const work = async (session: ClientSession | undefined, slot: number) => {
          merged = await mergeWithin(digest, hold, decision, session, slot);
        };
        const deadline = now() + patienceMs;
        try {
          if (options.transactions) await inTransaction(work, { conflicts: deadline, deadline });
          else await work(undefined, 0);
        } catch (error) {
          if (!(error instanceof LostLeases)) throw error;
        }
        return merged;
      });
    },

    ...createDigestMembers(db, storedAt, options.retentionDays),
  };

  async function mergeWithin(
    { id, user: owner, channel, token, content }: HeldDelivery,
    hold: Hold,
    decision: StoredDecision,
    session: ClientSession | undefined,
    slot: number,
  ): Promise<boolean> {
    const own = session && { session };
    const at = new Date(storedAt());
    const user = storedUserId(owner);
    const from = { user, into: new ObjectId(id), digest: { $exists: false }, state: { $in: gathered } };
    const count = await deliveries.countDocuments(from, { ...own });
    const open = openKey(channel, hold);
    const group = { user, channel, open, hold, count, opener: { id, type: content.key } };
    const { filter, update } = opening(group, at, options.newId());
    const { upsertedCount } = await deliveries.updateOne(filter, update, { upsert: true, ...own });
    if (upsertedCount > 0) await countOpened([{ channel }], at, slot, session);
    const target = await deliveries.findOne({ user, open }, { projection: { _id: 1 }, ...own });
    if (!target) return false;
    const into = target._id;
    await deliveries.updateMany(
      from,
      { $set: { into, state: "held", updatedAt: at }, $unset: { expireAt: 1 } },
      own,
    );
    const { matchedCount } = await deliveries.updateOne(
      { _id: new ObjectId(id), user, state: "sending", "lease.token": new ObjectId(token) },
      {
        $set: { state: "digested", into, updatedAt: at, expireAt: expireAt() },
        $unset: { lease: 1 },
        $push: { decisions: storedDecision(decision) },
      },
      { ...byId, ...own },
    );
    // Another worker has the digest, and may be sending it.
    if (matchedCount === 0 && session) throw new LostLeases([]);
    return matchedCount === 1;
  }

  /** Without transactions, what a digest that was closed in between did not get is pending again. */
  async function joinApart(batch: Joining[]): Promise<Joined[]> {
    const joined = await join(batch);
    const again = {
      $set: { state: "pending" as const, due: new Date(storedAt()) },
      $unset: { into: 1, lease: 1 } as const,
    };
    await deliveries.updateMany(
      { ...stillHeld(batch.filter((_, at) => joined[at] === "lost")), state: "sending" },
      again,
    );
    const _id = { $in: batch.map(({ delivery }) => new ObjectId(delivery.id)) };
    const held = await deliveries.find({ _id, state: "held" }, { projection: { into: 1 } }).toArray();
    const into = held.map((one) => one.into as ObjectId);
    const open = await deliveries
      .find({ _id: { $in: into }, open: { $exists: true } }, { projection: { _id: 1 } })
      .toArray();
    const still = new Set(open.map((one) => one._id.toHexString()));
    const late = held.filter((one) => !still.has((one.into as ObjectId).toHexString())).map((one) => one._id);
    if (late.length > 0) await deliveries.updateMany({ _id: { $in: late }, state: "held" }, again);
    return joined;
  }
}

class LostLeases extends Error {
  readonly lost: Joining[];
  constructor(lost: Joining[]) {
    super("other workers hold the leases");
    this.lost = lost;
  }
}

export type DigestStore = ReturnType<typeof createDigestStore>;
