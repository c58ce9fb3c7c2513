import { type Static, Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import type { Ledger } from "../model/ledger.ts";
import { Count, iso, Time } from "../model/schema.ts";

const Line = Type.Object(
  {
    accepted: Count("Deliveries counted when they were stored."),
    sent: Count(),
    delivered: Count(),
    failed: Count(),
    skipped: Count(),
    canceled: Count(),
    uncertain: Count(),
    held: Count("Waiting in an open digest."),
    digested: Count("In the message of a digest, which counts as a delivery of its own."),
    recalled: Count("Taken back by the caller before they were sent."),
    pending: Count("Waiting or being sent."),
    balanced: Type.Boolean({ description: "Whether accepted equals the sum of the other counts." }),
  },
  { title: "LedgerLine" },
);

export const LedgerDto = Type.Object(
  {
    from: Time("Rounded to whole minutes, and limited to the time for which finished deliveries are kept."),
    to: Time(),
    balanced: Type.Boolean(),
    total: Line,
    channels: Type.Object(Object.fromEntries(channelNames().map((channel) => [channel, Line]))),
  },
  { title: "Ledger" },
);

export function ledgerDto({ from, to, total, channels }: Ledger): Static<typeof LedgerDto> {
  return { from: iso(from), to: iso(to), balanced: total.balanced, total, channels };
}
