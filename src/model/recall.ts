import type { Channel } from "./notification.ts";

/** What a recall came to on one channel. */
export const recallResults = ["stopped", "withdrawn", "in_flight", "too_late", "nothing"] as const;
export type RecallResult = (typeof recallResults)[number];

export interface RecallReceipt {
  user: string;
  notification: string;
  channel: Channel | "inbox";
  /** Absent for the inbox. */
  delivery?: string;
  /**
   * `stopped`: it is not sent. `withdrawn`: it is no longer in the inbox. `in_flight`: it is being sent at this moment, and
   * is not tried again. `too_late`: it was sent. `nothing`: it had ended without being sent, and stays so.
   */
  result: RecallResult;
  /** Unix ms. When the delivery is stopped: an earlier attempt may have arrived, or one of its addresses has it. */
  sentAt?: number;
}

/** The notifications that a recall means: one by its id, or all of the user's with the caller's key. */
export type RecallName = { id: string } | { key: string };
