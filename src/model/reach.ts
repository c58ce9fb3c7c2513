import type { Address, ChannelRules, Recipient, Suppression } from "./channel.ts";
import type { Facts } from "./decide.ts";
import type { HeldDelivery } from "./delivery.ts";

/** A webhook to which every attempt has failed for so long is disabled. */
export const failingDays = 5;

/** Which of a user's addresses a delivery can still go to. */
export interface Reach {
  addresses: Address[];
  /** An address has taken it in an earlier run. */
  taken: boolean;
  /** Why there is none. */
  unreachable?: Exclude<Facts["unreachable"], undefined>;
}

/** `resendUnknown`: whether a send without an answer is repeated. */
export function reachOf(
  rules: ChannelRules,
  recipient: Recipient,
  outcomes: NonNullable<HeldDelivery["outcomes"]> = {},
  resendUnknown = true,
): Reach {
  const all = rules.addresses(recipient);
  const isClosed = ({ target }: Address) => {
    const outcome = target === undefined ? undefined : outcomes[target];
    return outcome === "unknown" ? !resendUnknown : outcome === "sent" || outcome === "rejected";
  };
  const open = all.filter((one) => !isClosed(one));
  const suppression = recipient.suppressed?.[rules.name];
  const addresses = open.filter(({ address }) => address !== suppression?.address);
  const reach = { addresses, taken: Object.values(outcomes).includes("sent") };
  if (addresses.length > 0) return reach;
  const none = (text: string): Reach => ({ ...reach, unreachable: { reason: "no_address", text } });
  if (all.length === 0) return none(`the user has no address for ${rules.name}`);
  if (!suppression || open.length === 0) return none("every address refused it");
  return { ...reach, unreachable: { reason: "suppressed", text: suppressedText(suppression) } };
}

function suppressedText({ reason, at }: Suppression): string {
  if (reason !== "failing") return `${reason} since ${at.toISOString()}`;
  const remedy = "store the webhook again, or remove the suppression";
  return `the webhook is disabled since ${at.toISOString()}: every attempt had failed for ${failingDays} days; ${remedy}`;
}
