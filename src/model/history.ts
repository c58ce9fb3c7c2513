import type { DeliveryState } from "./delivery.ts";
import type { Channel } from "./notification.ts";

/** One notification on one channel, the inbox included, as its user would tell it. */
export interface HistoryEntry {
  /** The notification's id; grows with time. */
  notification: string;
  channel: Channel | "inbox";
  content: string;
  state: DeliveryState;
  /** When the state last changed; Unix milliseconds. */
  changedAt: number;
}
