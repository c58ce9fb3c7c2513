import { channelOf } from "../channels/index.ts";
import type { KnownDelivery, Receipt } from "../model/receipt.ts";
import type { Store } from "../store/index.ts";

/** Applies providers' reports. A report about an unknown delivery, or one without news, changes nothing. */
export function createReceiver({ receipts, users, now }: Pick<Store, "receipts" | "users" | "now">) {
  return async (receipt: Receipt): Promise<void> => {
    const found = await receipts.find(receipt);
    if (!found || isOfFormerCopy(receipt, found)) return;
    // Suppress before the move. If the process dies in between, the retry still finds a delivery that has not failed.
    // After the move, a retry must not bring back a suppression that an operator has removed.
    if (receipt.suppress && found.state !== "failed") await suppress(found.user, receipt);
    await receipts.move(found.user, receipt, now());
  };

  /** Uses the profile's own spelling of the address. A user who has another address by now keeps getting mail there. */
  async function suppress(user: string, { channel, suppress: report }: Receipt): Promise<void> {
    if (!report) return;
    const { addresses, plain } = channelOf(channel);
    const [recipient = {}] = await users.many([user]);
    const known = addresses(recipient).map((one) => one.address);
    const address = known.find((one) => plain(one) === plain(report.address));
    if (address === undefined) return;
    const at = new Date(now());
    await users.suppress(user, channel, { address, reason: report.reason, at });
  }
}

/** After an operator's resend, a repeated report of the old failure must not end the new copy. */
function isOfFormerCopy({ outcome, at, providerId }: Receipt, { former, againAt }: KnownDelivery): boolean {
  if (outcome?.state === "delivered" || againAt === undefined) return false;
  return (at !== undefined && at < againAt) || (providerId !== undefined && former.includes(providerId));
}
