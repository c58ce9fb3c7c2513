import type { Channel } from "./notification.ts";

/** Deliveries by where they are now. `pending` counts those under way too. */
export interface LedgerCounts {
  sent: number;
  delivered: number;
  failed: number;
  skipped: number;
  canceled: number;
  uncertain: number;
  held: number;
  digested: number;
  recalled: number;
  pending: number;
}

export interface LedgerLine extends LedgerCounts {
  /** Counted by the commits that stored them, apart from the deliveries themselves. */
  accepted: number;
  balanced: boolean;
}

export interface Ledger {
  /** The range that was counted, in Unix milliseconds: whole minutes, and no earlier than counting began. */
  from: number;
  to: number;
  total: LedgerLine;
  channels: Record<Channel, LedgerLine>;
}
