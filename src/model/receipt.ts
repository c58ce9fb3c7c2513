import type { Suppression } from "./channel.ts";
import type { DeliveryState, Reason } from "./delivery.ts";
import type { Channel } from "./notification.ts";

/** A provider's report about a message that it took. */
export interface Receipt {
  /** 24 hex characters. */
  delivery: string;
  channel: Channel;
  /** The provider's own id of the copy that it speaks of. */
  providerId?: string;
  /** When it happened, if the report says so; Unix milliseconds. */
  at?: number;
  /** Absent when the report changes no state: a complaint after the mail was delivered. */
  outcome?: { state: "delivered" } | { state: "failed"; reason: Reason; detail: string };
  /** The address takes nothing more. */
  suppress?: Pick<Suppression, "address" | "reason">;
}

/** The stored delivery that a report is about. */
export interface KnownDelivery {
  user: string;
  state: DeliveryState;
  /** The provider's ids of copies before the stored one. */
  former: string[];
  /** When an operator last had it sent again; Unix milliseconds. */
  againAt: number | undefined;
}
