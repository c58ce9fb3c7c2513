import type { Reason } from "./delivery.ts";

/**
 * Twilio's codes for a message that this recipient will never get (twilio.com/docs/api/errors), in answers and in
 * status callbacks alike. Only `address` and `opt_out` speak of the recipient's number.
 */
export const twilioRefusals: ReadonlyMap<string, Reason> = new Map([
  ["21211", "address"], // not a phone number
  ["21614", "address"], // not a mobile number
  ["21635", "address"], // a landline
  ["30004", "address"], // blocked
  ["30005", "address"], // unknown handset
  ["30006", "address"], // a landline or an unreachable carrier
  ["21408", "policy"], // region not permitted
  ["21612", "policy"], // not to be reached from this sender
  ["30007", "policy"], // filtered
  ["30034", "policy"], // sender not registered (A2P 10DLC)
  ["21617", "message"], // too long
  ["21610", "opt_out"],
  ["30036", "expired"],
]);
