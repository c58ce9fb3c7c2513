import { channelOf } from "../channels/index.ts";
import type { Recipient } from "../model/channel.ts";
import {
  type DeliveryFilter,
  type RedriveCandidate,
  type RedriveCounts,
  redrivableStates,
} from "../model/delivery-record.ts";
import type { Channel } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor } from "./cursor.ts";
import { idForm } from "./deliveries.ts";

export interface RedriveRequest {
  /** Without states: `failed`. States that cannot be resent are ignored. */
  filter: DeliveryFilter;
  /** Count only. */
  dryRun: boolean;
  cursor?: CursorText;
  /** Deliveries looked at in one call. */
  most?: number;
}

export interface Redrive extends RedriveCounts {
  /** Deliveries that match the other filters but are already sent. Counted up to 100,000, on the first call. */
  already_sent?: number;
  /** Absent when everything was checked; else the cursor for the next call. */
  next?: string;
}

const mostAtOnce = 10_000;
const batch = 500;

/**
 * Resends deliveries that ended badly, under the same ids, so nobody is notified twice: sent deliveries are not changed,
 * and a provider sees the same Message-ID again.
 *
 * It goes from new to old in small, repeatable updates. Deliveries that fail again or are accepted in the meantime are
 * newer than its position, so it ends.
 */
export function createRedrive(
  { deliveries, users, now }: Pick<Store, "deliveries" | "users" | "now">,
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void = () => {},
) {
  return async function redrive(request: RedriveRequest): Promise<Redrive> {
    const { filter, dryRun, cursor, most = mostAtOnce } = request;
    const wanted = filter.states ?? ["failed"];
    const states = redrivableStates.filter((state) => wanted.includes(state));
    const counts: RedriveCounts = { redriven: 0, suppressed: 0, no_address: 0, expired: 0, changed: 0 };
    let before = cursor && decodeCursor(cursor.text, filter, idForm, cursor.pointer);
    // Sent deliveries have no reason, so with a filter on the reason there are none to count.
    const sent = before === undefined && {
      already_sent: filter.reason ? 0 : await deliveries.count({ ...filter, states: ["sent", "delivered"] }),
    };
    if (states.length === 0) return { ...counts, ...sent };

    for (let seen = 0; seen < most; ) {
      const limit = Math.min(batch, most - seen);
      const found = await deliveries.candidates({ ...filter, states }, before, limit);
      const sendable = await sort(found, counts);
      const moved = dryRun || sendable.length === 0 ? sendable.length : await move(sendable);
      counts.redriven += moved;
      counts.changed += sendable.length - moved;
      before = found.at(-1)?.id;
      if (found.length < limit) return { ...counts, ...sent };
      seen += found.length;
    }
    return { ...counts, ...sent, ...(before && { next: encodeCursor(filter, before) }) };
  };

  /** The deliveries that can be resent; the others are counted by obstacle. */
  async function sort(found: RedriveCandidate[], counts: RedriveCounts): Promise<RedriveCandidate[]> {
    const known = await users.many(found.map((one) => one.user));
    return found.filter((one, index) => {
      const obstacle = obstacleOf(one, known[index] ?? {});
      if (obstacle) counts[obstacle]++;
      return obstacle === undefined;
    });
  }

  async function move(sendable: RedriveCandidate[]): Promise<number> {
    const moved = await deliveries.redrive(
      sendable.map((one) => one.id),
      now(),
    );
    announce(sendable);
    return moved;
  }
}

/** Why a resend would end the same way again. */
function obstacleOf(
  { channel, reason }: RedriveCandidate,
  recipient: Recipient,
): "no_address" | "suppressed" | "expired" | undefined {
  if (reason === "expired") return "expired";
  const addresses = channelOf(channel).addresses(recipient);
  if (addresses.length === 0) return "no_address";
  const suppressed = recipient.suppressed?.[channel]?.address;
  return addresses.every(({ address }) => address === suppressed) ? "suppressed" : undefined;
}
