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
 * A provider's callback may have moved the state on already (`store/receipts.ts`). Then one or two rare round trips more
 * add the attempt and leave the state. A delivery whose lease was lost matches no update and counts as `lost`.
 *
 * A batch is one statement: with 32 outcomes, each takes `mongod` 56 µs, and 125 µs with a statement of its own. Through `mongos`
 * it has its own, because a statement for several documents may miss one that is moving to another shard. An outcome alone is tried as
 * a plain update first, which costs the servers half as much.
 */
export function createSettler(db: Db, { routed, expireAt }: SettleOptions) {
  const deliveries = deliveriesOf(db);

  return async function settle(settlements: Settlement[], now: number): Promise<{ lost: number }> {
    const groups = routed ? settlements.map((one) => [one]) : [settlements];
    const alone = groups.flatMap((group) => (group.length === 1 ? group : []));
    const change = (one: Settlement) => changeBy(one, now, expireAt(now));
    let lost = settlements.length;
    if (alone.length > 0) {
      // A refused one is tried again below, like those that did not match.
      const { matched } = await updateAll(alone.map((one) => plainStatementOf(one, change(one))));
      lost -= matched;
    }
    for (const statement of [
      (group: Settlement[]) => statementOf(group, { state: "sending" }, change),
      (group: Settlement[]) => statementOf(group),
    ]) {
      if (lost === 0) return { lost };
      const { matched, refusal } = await updateAll(groups.map(statement));
      if (refusal) throw refusal;
      lost -= matched;
    }
    if (lost > 0) await forgetErased(db, idsOf(settlements));
    return { lost };
  };

  /**
   * As a plain command: the driver's retryable writes cost a session record per statement. A repeated update matches nothing,
   * because the first one took the lease away. `refusal`: why a statement was not carried out.
   */
  async function updateAll(updates: Document[]): Promise<{ matched: number; refusal?: MongoServerError }> {
    const { n, writeErrors, writeConcernError } = await db.command({
      update: deliveries.collectionName,
      updates,
      ordered: false,
      writeConcern: { w: "majority", wtimeout: clientOptions.wtimeoutMS },
    });
    const error = ({ errmsg, code }: Document) => new MongoServerError({ message: errmsg, code });
    if (writeConcernError) throw error(writeConcernError);
    return { matched: n, ...(writeErrors?.[0] && { refusal: error(writeErrors[0]) }) };
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

/** Matches no delivery that was called back or recalled, and refuses a history that is no array. `statementOf` takes them all. */
function plainStatementOf(one: Settlement, change: Change): Document {
  const { set, attempts, decisions } = additionsOf(one, change);
  const { id, user, token } = one.delivery;
  return {
    q: {
      _id: new ObjectId(id),
      user: storedUserId(user),
      "lease.token": new ObjectId(token),
      state: "sending",
      recalledAt: { $exists: false },
    },
    u: {
      $set: set,
      $unset: { lease: 1 },
      $push: {
        attempts: { $each: attempts, $slice: -keptAttempts },
        ...(decisions.length > 0 && { decisions: { $each: decisions, $slice: -keptDecisions } }),
      },
    },
    ...byId,
  };
}

function additionsOf(
  { tries, providerId, attempts, decision }: Settlement,
  { set, ifRecalled }: Change = { set: {} },
) {
  return {
    set: { tries, ...(providerId && { providerId }), ...set },
    ...(ifRecalled && { ifRecalled }),
    attempts: attempts.map((each) => ({ ...each, at: new Date(each.at) })),
    decisions: decision ? [storedDecision(decision)] : [],
  };
}

/**
 * Changes the deliveries whose leases are still ours, adds to their histories and ends the leases. No document makes it fail,
 * because the others would fail with it.
 */
function statementOf(
  settlements: Settlement[],
  filter: Document = {},
  changeOf?: (one: Settlement) => Change,
): Document {
  const ids = idsOf(settlements);
  const leases = settlements.map(({ delivery }, at) => ({
    id: ids[at],
    token: new ObjectId(delivery.token),
  }));
  const changes = settlements.map((one) => additionsOf(one, changeOf?.(one)));
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
