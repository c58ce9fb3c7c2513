import type { Reason, SendError } from "../../model/delivery.ts";
import type { HttpAnswer } from "../http-answer.ts";

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

/** The sender's queue or the account's limit is full: soon is too soon. */
const lateCodes = new Set(["21611", "30001", "21730"]);
const lateMs = 5 * 60_000;
/** Credentials, account, sender. */
const configCodes = new Set([
  "20003",
  "20404",
  "21212",
  "21603",
  "21606",
  "21659",
  "21660",
  "21703",
  "30002",
]);

const remedy =
  "Check TWILIO_SID and TWILIO_AUTH_TOKEN, that the account is active, and that the sender belongs to it.";

/** The meaning of an answer other than 2xx (`docs/providers/twilio.md` has the table and the tests). */
export function twilioOutcome({ status, json }: HttpAnswer): SendError["outcome"] {
  const code = String(json.code ?? status).slice(0, 50);
  const text = String(json.message ?? `Twilio answered ${status}`);
  if (lateCodes.has(code)) return { kind: "retry", code, text, afterMs: lateMs, ailing: true };
  if (status === 429 || code === "20429") return { kind: "retry", code, text, ailing: true };
  if (status >= 500 || code === "20500") return { kind: "unknown", code, text };
  if (configCodes.has(code) || status < 400 || status === 401 || status === 403 || status === 404)
    return { kind: "misconfigured", code, text, remedy };
  return { kind: "rejected", reason: twilioRefusals.get(code) ?? "message", code, text };
}
