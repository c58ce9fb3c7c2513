import { type Db, type Document, MongoServerError, ObjectId } from "mongodb";
import type { Settlement } from "../model/delivery.ts";
import { forgetErased } from "./captured.ts";
import { clientOptions } from "./connect.ts";
import { byId, deliveriesOf, storedDecision } from "./deliveries.ts";
import { storedUserId } from "./ids.ts";
import { arrayIn } from "./inbox-items.ts";

/** An upper bound, well above `MAX_RETRIES` plus the provider pauses of a bad week. */
const keptAttempts = 200;
const keptDecisions = 20;

export interface SettleOptions {
  /** Whether `mongos` is in between. */
  routed: boolean;
  /** When a delivery that ends at `now` (Unix ms) is deleted. */
  expireAt: (now: number) => Date;
}

/**
 * Stores outcomes and ends the leases, in one round trip. May be repeated, because each update names its lease.
 *
 * A provider's callback may have moved the state on already (`store/receipts.ts`). Then a second, rare round trip
 * adds the attempt and leaves the state. A delivery whose lease was lost matches no update and counts as `lost`.
 *
 * A batch is one statement: with 32 outcomes, each takes `mongod` 56 µs, and 125 µs with a statement of its own. Through `mongos`
 * it has its own, because a statement for several documents may miss one that is moving to another shard.
 */
export function createSettler(db: Db, { routed, expireAt }: SettleOptions) {
  const deliveries = deliveriesOf(db);

  return async function settle(settlements: Settlement[], now: number): Promise<{ lost: number }> {
    const groups = routed ? settlements.map((one) => [one]) : [settlements];
    const change = (one: Settlement) => changeBy(one, now, expireAt(now));
    const ended = await updateAll(groups.map((group) => statementOf(group, { state: "sending" }, change)));
    if (ended === settlements.length) return { lost: 0 };
    const overtaken = await updateAll(groups.map((group) => statementOf(group)));
    const lost = settlements.length - ended - overtaken;
    if (lost > 0) await forgetErased(db, idsOf(settlements));
    return { lost };
  };

  /**
   * Returns how many matched. As a plain command: the driver's retryable writes cost a session record per statement. A repeated
   * update matches nothing, because the first one took the lease away.
   */
  async function updateAll(updates: Document[]): Promise<number> {
    const { n, writeErrors, writeConcernError } = await db.command({
      update: deliveries.collectionName,
      updates,
      ordered: false,
      writeConcern: { w: "majority", wtimeout: clientOptions.wtimeoutMS },
    });
    const failed = writeErrors?.[0] ?? writeConcernError;
    if (failed) throw new MongoServerError({ message: failed.errmsg, code: failed.code });
    return n;
  }
}

/** The fields that a delivery gets. */
interface Change {
  set: Document;
  /** Set after that, when its caller has taken the delivery back. */
  ifRecalled?: Document;
}

/** After an outcome that is the first news of the delivery. */
function changeBy({ state, due, reason, detail }: Settlement, now: number, expireAt: Date): Change {
  const set = {
    state,
    updatedAt: new Date(now),
    ...(state === "pending" ? due !== undefined && { due: new Date(due) } : { expireAt }),
    ...(reason && { reason }),
    ...(detail && { detail }),
  };
  return { set, ...(state === "pending" && { ifRecalled: { state: "recalled", expireAt } }) };
}

/**
 * Changes the deliveries whose leases are still ours, adds to their histories and ends the leases. No document makes it fail,
 * because the others would fail with it.
 */
function statementOf(
  settlements: Settlement[],
  filter: Document = {},
  changeOf: (one: Settlement) => Change = () => ({ set: {} }),
): Document {
  const ids = idsOf(settlements);
  const leases = settlements.map(({ delivery }, at) => ({
    id: ids[at],
    token: new ObjectId(delivery.token),
  }));
  const changes = settlements.map((one) => {
    const { set, ...rest } = changeOf(one);
    const { tries, attempts, providerId, decision } = one;
    return {
      set: { tries, ...(providerId && { providerId }), ...set },
      ...rest,
      attempts: attempts.map((each) => ({ ...each, at: new Date(each.at) })),
      decisions: decision ? [storedDecision(decision)] : [],
    };
  });
  const lease = { id: "$_id", token: "$lease.token" };
  const change = { $arrayElemAt: [{ $literal: changes }, { $indexOfArray: [{ $literal: leases }, lease] }] };
  const last = (most: number, field: string) => ({
    $slice: [{ $concatArrays: [arrayIn(`$${field}`), `$$change.${field}`] }, -most],
  });
  const changed = {
    $mergeObjects: [
      "$$ROOT",
      "$$change.set",
      { attempts: last(keptAttempts, "attempts") },
      { $cond: [{ $eq: ["$$change.decisions", []] }, {}, { decisions: last(keptDecisions, "decisions") }] },
      { $cond: [{ $gt: ["$recalledAt", null] }, "$$change.ifRecalled", {}] },
    ],
  };
  const users = settlements.map(({ delivery }) => storedUserId(delivery.user));
  return {
    q: {
      _id: among(ids),
      user: among(users),
      $expr: { $in: [lease, { $literal: leases }] },
      ...filter,
    },
    u: [{ $replaceWith: { $let: { vars: { change }, in: changed } } }, { $unset: "lease" }],
    multi: settlements.length > 1,
    ...byId,
  };
}

const idsOf = (settlements: Settlement[]) => settlements.map(({ delivery }) => new ObjectId(delivery.id));

/** An update of one document on a sharded collection must name its shard key by a single value. */
const among = <T>(values: T[]) => (values.length === 1 ? values[0] : { $in: values });
