import type { Suppression } from "./channel.ts";
import type { Channel } from "./notification.ts";

/** Which suppressions an operator means; every field narrows. `from`, `to`: Unix milliseconds of the suppression. */
export interface SuppressionFilter {
  user?: string;
  channel?: Channel;
  reason?: Suppression["reason"];
  /** Not before. */
  from?: number;
  /** Before. */
  to?: number;
}

export interface SuppressionEntry extends Suppression {
  user: string;
  channel: Channel;
}
