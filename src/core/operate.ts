import { type DeliveryState, nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import { channels } from "../model/notification.ts";
import type {
  DeliveryFilter,
  DeliveryRecord,
  DeliverySummary,
  Ledger,
  LedgerCounts,
  LedgerLine,
  SuppressionEntry,
  SuppressionFilter,
} from "../model/operate.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

export interface Page<T> {
  data: T[];
  /** Absent on the last page. */
  next?: string;
}

export interface OperatePartners {
  deliveries: {
    page(filter: DeliveryFilter, before: string | undefined, limit: number): Promise<DeliverySummary[]>;
    one(id: string): Promise<DeliveryRecord | undefined>;
    retry(id: string, now: number): Promise<boolean>;
  };
  suppressions: {
    list(
      filter: SuppressionFilter,
      after: { user: string; channel: string } | undefined,
      limit: number,
    ): Promise<SuppressionEntry[]>;
    remove(user: string, channel: Channel, at?: Date): Promise<boolean>;
  };
  ledger: (
    from: number,
    to: number,
  ) => Promise<{
    from: number;
    to: number;
    accepted: Partial<Record<Channel, number>>;
    states: Array<{ channel: Channel; state: DeliveryState; count: number }>;
  }>;
  /** Announces deliveries that any worker may take. */
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void;
  now: () => number;
}

/** What an operator can look up and change: deliveries, the ledger, suppressions. */
export function createOperate(partners: OperatePartners) {
  const { deliveries, suppressions, announce, now } = partners;

  async function show(id: string): Promise<DeliveryRecord> {
    const found = await deliveries.one(id);
    if (!found) throw new BelfryError("not_found", `There is no delivery ${id}.`);
    return found;
  }

  return {
    /** Newest first. Deliveries added in the meantime do not move the pages. */
    async list(
      filter: DeliveryFilter,
      limit: number,
      cursor?: { text: string; pointer: string },
    ): Promise<Page<DeliverySummary>> {
      const before = cursor && decodeCursor(cursor.text, filter, idForm, cursor.pointer);
      const found = await deliveries.page(filter, before, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(filter, last.id));
    },

    show,

    /**
     * Resends it under the same id, with all tries. Rejects with `not_found`, and with `delivery_not_retryable` for a
     * delivery that was sent or is being sent.
     */
    async retry(id: string): Promise<DeliveryRecord> {
      const moved = await deliveries.retry(id, now());
      const delivery = await show(id);
      if (!moved) {
        const arrived = delivery.state === "sent" || delivery.state === "delivered";
        const why = arrived ? "it was already sent" : "it is still being sent";
        throw new BelfryError(
          "delivery_not_retryable",
          `The delivery ${id} is ${delivery.state}: ${delivery.user === nobody ? "its user was erased" : why}.`,
        );
      }
      announce([delivery]);
      return delivery;
    },

    /** `from`, `to`: Unix milliseconds; by default the last 24 hours, this minute included. */
    async ledger(from = now() - 24 * 60 * 60_000, to = now() + 1): Promise<Ledger> {
      const { accepted, states, ...range } = await partners.ledger(from, to);
      const lines = Object.fromEntries(
        channels.map((channel) => {
          const counts = { ...noCounts };
          for (const one of states) {
            const known = one.state === "sending" ? "pending" : one.state;
            // An unknown state has no column, so the line does not balance.
            if (one.channel === channel && known in counts) counts[known] += one.count;
          }
          return [channel, balance(accepted[channel] ?? 0, counts)];
        }),
      ) as Record<Channel, LedgerLine>;
      const all = Object.values(lines);
      const counts = Object.fromEntries(
        Object.keys(noCounts).map((state) => [
          state,
          sum(all.map((line) => line[state as keyof LedgerCounts])),
        ]),
      ) as unknown as LedgerCounts;
      const total = balance(sum(all.map((line) => line.accepted)), counts);
      // One channel may have too many where another has too few.
      total.balanced &&= all.every((line) => line.balanced);
      return { ...range, total, channels: lines };
    },

    async suppressions(
      filter: SuppressionFilter,
      limit: number,
      cursor?: { text: string; pointer: string },
    ): Promise<Page<SuppressionEntry>> {
      const place = cursor && decodeCursor(cursor.text, filter, placeForm, cursor.pointer);
      const [, channel, user] = placeForm.exec(place ?? "") ?? [];
      const after = channel !== undefined && user !== undefined ? { channel, user } : undefined;
      const found = await suppressions.list(filter, after, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(filter, `${last.channel}/${last.user}`));
    },

    /**
     * Removes all suppressions that match. Opt-outs stay unless the filter's reason names them, and so does a suppression
     * that is made again in the meantime. `more`: the limit of one call is reached, call again.
     */
    async unsuppressAll(
      filter: SuppressionFilter,
      dryRun: boolean,
      most = mostRemoved,
    ): Promise<{ removed: number; more: boolean }> {
      let removed = 0;
      let after: { user: string; channel: string } | undefined;
      for (let seen = 0; seen < most; ) {
        const found = await suppressions.list(filter, after, Math.min(removalBatch, most - seen));
        if (found.length === 0) return { removed, more: false };
        const meant = found.filter((one) => one.reason !== "opt_out" || filter.reason === "opt_out");
        const done = dryRun
          ? meant.map(() => true)
          : await Promise.all(meant.map((one) => suppressions.remove(one.user, one.channel, one.at)));
        removed += done.filter(Boolean).length;
        seen += found.length;
        after = found.at(-1);
      }
      return { removed, more: (await suppressions.list(filter, after, 1)).length > 0 };
    },

    /** Later deliveries to the address are sent again. */
    async unsuppress(user: string, channel: Channel): Promise<void> {
      if (!(await suppressions.remove(user, channel)))
        throw new BelfryError("not_found", `The user ${user} has no suppression for ${channel}.`);
    },
  };
}

const mostRemoved = 10_000;
const removalBatch = 50;

export type Operate = ReturnType<typeof createOperate>;

export const idForm = /^[0-9a-f]{24}$/;
const placeForm = new RegExp(`^(${channels.join("|")})/(.{1,128})$`, "s");

const noCounts: LedgerCounts = {
  sent: 0,
  delivered: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  uncertain: 0,
  pending: 0,
};

const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

function balance(accepted: number, counts: LedgerCounts): LedgerLine {
  return { accepted, ...counts, balanced: accepted === sum(Object.values(counts)) };
}

/** `found` has one more than the page when another follows. */
function pageOf<T>(found: T[], limit: number, cursorAfter: (last: T) => string): Page<T> {
  const data = found.slice(0, limit);
  return { data, ...(found.length > limit && { next: cursorAfter(data.at(-1) as T) }) };
}
