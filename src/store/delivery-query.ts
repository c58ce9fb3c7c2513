import { type Filter, ObjectId } from "mongodb";
import type { DeliveryState } from "../model/delivery.ts";
import { type DeliveryFilter, retryableStates } from "../model/delivery-record.ts";
import type { DeliveryDocument } from "./deliveries.ts";
import { storedUserId } from "./ids.ts";

/** How far an id's time may differ from `createdAt`: ids use the local clock and are made before the commit. */
const idSlackMs = 5 * 60_000;

/** The list of index `ended_badly`. MongoDB uses the index only when the query has exactly this list. */
export const endedBadly: DeliveryState[] = [...retryableStates];

/** An operator's filter as a query. `before`: only lower ids, for the next page. */
export function queryOf(filter: DeliveryFilter, before: string | undefined): Filter<DeliveryDocument> {
  const { ids, user, notification, type, channel, states, reason, provider, from, to } = filter;
  const id: { $in?: ObjectId[]; $gte?: ObjectId; $lt?: ObjectId } = {
    ...(ids && { $in: ids.map((one) => new ObjectId(one)) }),
    ...(from !== undefined && { $gte: idAt(from - idSlackMs) }),
    // The lower of the two upper bounds applies.
    ...(to !== undefined && { $lt: idAt(to + idSlackMs) }),
  };
  const below = before === undefined ? undefined : new ObjectId(before);
  if (below && (!id.$lt || id.$lt.toHexString() > below.toHexString())) id.$lt = below;
  const createdAt = {
    ...(from !== undefined && { $gte: new Date(from) }),
    ...(to !== undefined && { $lt: new Date(to) }),
  };
  return {
    ...(Object.keys(id).length > 0 && { _id: id }),
    ...(Object.keys(createdAt).length > 0 && { createdAt }),
    ...(user !== undefined && { user: { $eq: storedUserId(user) } }),
    ...(notification !== undefined && { notification: new ObjectId(notification) }),
    ...(type !== undefined && { type: { $eq: type } }),
    ...(channel && { channel }),
    ...(states && { state: stateQuery(states) }),
    ...(reason && { reason }),
    ...(provider !== undefined && { "attempts.provider": { $eq: provider } }),
  };
}

function stateQuery(states: DeliveryState[]) {
  return states.every((state) => endedBadly.includes(state))
    ? { $in: endedBadly, $nin: endedBadly.filter((state) => !states.includes(state)) }
    : { $in: states };
}

/** Bounds for the ids of documents created in a period, so that the `_id` index serves the query. */
export function idsBetween(from: Date, to: Date): { $gte: ObjectId; $lt: ObjectId } {
  return { $gte: idAt(from.getTime() - idSlackMs), $lt: idAt(to.getTime() + idSlackMs) };
}

/** The lowest id of a second; ids have four bytes for it. */
function idAt(ms: number): ObjectId {
  const seconds = Math.min(Math.max(Math.floor(ms / 1000), 0), 0xffffffff);
  return ObjectId.createFromTime(seconds);
}
