import type { Db, MongoClient } from "mongodb";
import type { DeliveryState } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { deliveriesOf } from "./deliveries.ts";
import { idsBetween } from "./delivery-query.ts";
import { orUnavailable } from "./failures.ts";
import { bucketsOf, sinceId } from "./tally.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const patienceMs = 20_000;

export interface LedgerFacts {
  from: number;
  to: number;
  accepted: Partial<Record<Channel, number>>;
  states: Array<{ channel: Channel; state: DeliveryState; count: number }>;
}

/**
 * Reads both sides in one snapshot, so that a commit under way is on both sides or on neither. (A standalone server
 * has no snapshots: a commit can fall between the two reads.)
 *
 * A range of 1,000,000 deliveries takes half a second. No index covers all states, because every settlement would
 * have to update it.
 */
export function createLedgerReader(options: {
  client: MongoClient;
  db: Db;
  transactions: boolean;
  channels: Channel[];
  retentionDays: number;
  now: () => number;
}) {
  const { client, db, transactions, channels, retentionDays, now } = options;

  /** `from` and `to` in Unix ms are widened to whole minutes and limited to the ledger's retention. */
  return function read(from: number, to: number): Promise<LedgerFacts> {
    return orUnavailable(() =>
      client.withSession({ snapshot: transactions }, async (session) => {
        const bounds = { session, maxTimeMS: patienceMs };
        const since = await db
          .collection<{ _id: string; at: Date }>("ledger")
          .findOne({ _id: sinceId }, bounds);
        const oldest = Math.ceil((now() - retentionDays * dayMs) / minuteMs) * minuteMs;
        const end = Math.ceil(to / minuteMs) * minuteMs;
        const begin = Math.min(Math.max(Math.floor(from / minuteMs) * minuteMs, oldest), end);
        const [first, last] = [new Date(begin), new Date(end)];
        const buckets = await bucketsOf(db)
          .aggregate(
            [
              { $match: { _id: { $gte: first.toISOString(), $lt: last.toISOString() } } },
              {
                $group: {
                  _id: null,
                  ...Object.fromEntries(channels.map((one) => [one, { $sum: `$accepted.${one}` }])),
                },
              },
              { $unset: "_id" },
            ],
            bounds,
          )
          .next();
        const createdAt = { $gte: since && since.at > first ? since.at : first, $lt: last };
        const states = await deliveriesOf(db)
          .aggregate<{ channel: Channel; state: DeliveryState; count: number }>(
            [
              { $match: { _id: idsBetween(first, last), createdAt } },
              { $group: { _id: { channel: "$channel", state: "$state" }, count: { $sum: 1 } } },
              { $project: { _id: 0, channel: "$_id.channel", state: "$_id.state", count: 1 } },
            ],
            bounds,
          )
          .toArray();
        return { from: begin, to: end, accepted: buckets ?? {}, states };
      }),
    );
  };
}
