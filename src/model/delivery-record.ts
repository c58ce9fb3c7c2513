import type { Attempt, DeliveryContent, DeliveryState, Reason, StoredDecision } from "./delivery.ts";
import type { DigestKey } from "./digest.ts";
import type { Channel } from "./notification.ts";

/** Which deliveries an operator means; every field narrows. Times in Unix milliseconds, of the delivery's creation. */
export interface DeliveryFilter {
  /** Any of these deliveries. */
  ids?: string[];
  user?: string;
  notification?: string;
  type?: string;
  channel?: Channel;
  /** Any of these. */
  states?: DeliveryState[];
  reason?: Reason;
  /** Asked in at least one attempt that is kept. */
  provider?: string;
  /** Not before. */
  from?: number;
  /** Before. */
  to?: number;
}

/** The history of a delivery, without its content, which is the user's. Times in Unix milliseconds. */
export interface DeliverySummary {
  id: string;
  notification: string;
  user: string;
  type: string;
  channel: Channel;
  state: DeliveryState;
  reason?: Reason;
  detail?: string;
  /** That was asked last. */
  provider?: string;
  tries: number;
  /** It is a digest. `isOpen`: more notifications can join it. */
  digest?: { scope: string; by?: string; count: number; isOpen: boolean };
  /** The digest that it is in. */
  into?: string;
  /** The caller's own name for the notification. */
  key?: string;
  /** When its caller took it back. */
  recalledAt?: number;
  /** When a pending delivery may be sent. */
  due?: number;
  createdAt: number;
  updatedAt: number;
}

export interface DeliveryRecord extends DeliverySummary {
  attempts: Attempt[];
  decisions: StoredDecision[];
  providerId?: string;
  /** How often its worker died or hung. */
  interruptions: number;
  /** When the lease of a delivery in progress ends. */
  heldUntil?: number;
  /** When a finished delivery is deleted. */
  expireAt?: number;
}

/** A way back exists from these: `sent` and `delivered` have arrived, `pending` and `sending` are on their way. */
export const retryableStates = ["failed", "uncertain", "skipped", "canceled"] as const;
/** Those of them that a redrive moves; a cancellation was meant. */
export const redrivableStates = ["failed", "uncertain", "skipped"] as const;

/** The content and addressing of a delivery. */
export interface DeliverySource {
  notification: string;
  /** Empty when the user was erased. */
  user: string;
  channel: Channel;
  content: DeliveryContent;
  digest?: DigestKey;
}

/** The fields that a redrive checks before it resends a delivery. */
export interface RedriveCandidate {
  id: string;
  user: string;
  channel: Channel;
  reason?: Reason;
}

/** Each delivery looked at counts in one of these. */
export interface RedriveCounts {
  /** Sent again, or for a dry run: would be. */
  redriven: number;
  /** The address is suppressed. */
  suppressed: number;
  no_address: number;
  /** The provider reported that the message expired. */
  expired: number;
  /** Another call had moved it meanwhile. */
  changed: number;
}
