import type { SendError } from "../../model/delivery.ts";
import { twilioRefusals } from "../../model/twilio.ts";
import type { HttpAnswer } from "../http-answer.ts";

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

/** What an answer other than 2xx means (`docs/providers/twilio.md` has the table and the tests). */
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
