import { type AnyBulkWriteOperation, type Db, ObjectId, type UpdateFilter } from "mongodb";
import type { DeliveryContent, DeliveryState, Reason, StoredDecision } from "../model/delivery.ts";
import type { CallRules } from "../model/rules.ts";
import { type DeliveryDocument, deliveriesOf, storedDecision } from "./deliveries.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";

/** A notification in a digest. */
export interface Member {
  id: string;
  notification: string;
  content: DeliveryContent;
  rules?: CallRules;
}

/** A notification that is left out of its digest. */
export interface Left {
  id: string;
  reason: Reason;
  detail: string;
  decision: StoredDecision;
}

/** A notification in a digest waits, or an earlier run of the digest included it. */
export const gathered: DeliveryState[] = ["held", "digested"];

const pageSize = 1_000;

/** The notifications of claimed digests. */
export function createDigestMembers(db: Db, storedAt: () => number, retentionDays: number) {
  const deliveries = deliveriesOf(db);
  const expireAt = () => new Date(storedAt() + retentionDays * 24 * 60 * 60_000);

  return {
    /**
     * The notifications of a claimed digest in pages, oldest first: those that wait, and those that an earlier run included.
     * First ends those that were recalled during that run.
     */
    async *members(user: string, digest: string): AsyncGenerator<Member[]> {
      const into = new ObjectId(digest);
      const recalled = {
        user: storedUserId(user),
        into,
        state: { $in: gathered },
        recalledAt: { $exists: true },
      };
      const end = { state: "recalled" as const, updatedAt: new Date(storedAt()), expireAt: expireAt() };
      await orUnavailable(() => deliveries.updateMany(recalled, { $set: end }));
      for (let after: ObjectId | undefined; ; ) {
        const found = await orUnavailable(() =>
          deliveries
            .find(
              {
                user: storedUserId(user),
                into,
                state: { $in: gathered },
                // A digest that was merged into this one.
                digest: { $exists: false },
                ...(after && { _id: { $gt: after } }),
              },
              { projection: { notification: 1, content: 1, rules: 1 }, batchSize: pageSize + 1 },
            )
            .sort({ _id: 1 })
            .limit(pageSize)
            .toArray(),
        );
        yield found.map(({ _id, notification, content, rules }) => ({
          id: _id.toHexString(),
          notification: notification.toHexString(),
          content,
          ...(rules && { rules }),
        }));
        if (found.length < pageSize) return;
        after = found.at(-1)?._id;
      }
    },

    /**
     * Stores which notifications are in the message and which were left out. May be repeated. False when one of the
     * message was recalled since it was read: then gather again.
     */
    async conclude(user: string, digest: string, included: string[], left: Left[]): Promise<boolean> {
      const common = { updatedAt: new Date(storedAt()), expireAt: expireAt() };
      const of = {
        user: storedUserId(user),
        into: new ObjectId(digest),
        state: { $in: gathered },
      };
      const operation = (ids: string[], update: UpdateFilter<DeliveryDocument>) => ({
        updateMany: { filter: { ...of, _id: { $in: ids.map((id) => new ObjectId(id)) } }, update },
      });
      const operations: AnyBulkWriteOperation<DeliveryDocument>[] = [];
      let matched = 0;
      for (const ids of pagesOf(included)) {
        const one = operation(ids, { $set: { ...common, state: "digested" } });
        matched += (await orUnavailable(() => deliveries.bulkWrite([one]))).matchedCount;
      }
      if (matched < included.length) return false;
      // Many are left out for the same reason.
      for (const rule of new Set(left.map(({ decision }) => decision.rule)))
        for (const page of pagesOf(left.filter(({ decision }) => decision.rule === rule))) {
          const [{ reason, detail, decision }] = page as [Left];
          const $set = { ...common, state: "skipped" as const, reason, detail };
          const ids = page.map(({ id }) => id);
          operations.push(operation(ids, { $set, $push: { decisions: storedDecision(decision) } }));
        }
      for (const one of operations) await orUnavailable(() => deliveries.bulkWrite([one]));
      return true;
    },
  };
}

function pagesOf<Value>(values: Value[]): Value[][] {
  return Array.from({ length: Math.ceil(values.length / pageSize) }, (_, page) =>
    values.slice(page * pageSize, (page + 1) * pageSize),
  );
}
