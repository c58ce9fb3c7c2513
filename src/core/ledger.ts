import { channelNames } from "../channels/index.ts";
import type { Ledger, LedgerCounts, LedgerLine } from "../model/ledger.ts";
import type { Channel } from "../model/notification.ts";
import type { Store } from "../store/index.ts";

/**
 * Compares the accepted deliveries with the stored ones. `from`, `to`: Unix milliseconds; by default the last 24
 * hours, this minute included.
 */
export async function readLedger(
  { ledger, now }: Pick<Store, "ledger" | "now">,
  from = now() - 24 * 60 * 60_000,
  to = now() + 1,
): Promise<Ledger> {
  const { accepted, states, ...range } = await ledger(from, to);
  const lines = Object.fromEntries(
    channelNames().map((channel) => {
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
    Object.keys(noCounts).map((state) => [state, sum(all.map((line) => line[state as keyof LedgerCounts]))]),
  ) as unknown as LedgerCounts;
  const total = balance(sum(all.map((line) => line.accepted)), counts);
  // One channel's surplus may offset another's shortage.
  total.balanced &&= all.every((line) => line.balanced);
  return { ...range, total, channels: lines };
}

const noCounts: LedgerCounts = {
  sent: 0,
  delivered: 0,
  failed: 0,
  skipped: 0,
  canceled: 0,
  uncertain: 0,
  held: 0,
  digested: 0,
  recalled: 0,
  pending: 0,
};

const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

function balance(accepted: number, counts: LedgerCounts): LedgerLine {
  return { accepted, ...counts, balanced: accepted === sum(Object.values(counts)) };
}
