import type { SendError } from "../../model/delivery.ts";
import { certificateRefusal } from "../certificate.ts";
import { nothingSent } from "../http-answer.ts";

type Outcome = SendError["outcome"];

/**
 * What mailgun.js throws. When no answer came it reports status 400: then `message` is the socket's code
 * (`ECONNREFUSED`) and `details` the sentence. Otherwise `details` is the answer's `message`.
 */
export interface MailgunFailure {
  status?: number;
  message: string;
  details?: unknown;
}

/** A socket's or TLS's own code: Mailgun's words are never all capitals without a space. */
const socketCode = /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$|^E[A-Z0-9]+$/;

const rateWaitMs = 60_000;
const longestWaitMs = 24 * 60 * 60_000;

/**
 * What a Mailgun failure means (documentation.mailgun.com, "API response codes"; `docs/providers/mailgun.md` has the
 * table and the tests). `now`: Unix ms, for answers that name a time.
 */
export function mailgunOutcome({ status, message, details }: MailgunFailure, now: number): Outcome {
  // The library passes on whatever the JSON had.
  const text = String(details || message);
  if (status === undefined) return { kind: "unknown", code: "ERROR", text };
  if (status === 400 && socketCode.test(message)) {
    const refusal = certificateRefusal(message, text, "MAILGUN_BASE_URL");
    if (refusal) return refusal;
    return nothingSent.test(message)
      ? { kind: "retry", code: message, text, ailing: true }
      : { kind: "unknown", code: message, text };
  }
  const code = String(status);
  // 404 is an unknown domain, or a base URL that leads nowhere: it holds for every message.
  if ((status >= 401 && status <= 405) || (status === 400 && ofUs.test(text)))
    return { kind: "misconfigured", code, text, remedy };
  if (status === 429) return { kind: "retry", code, text, afterMs: waitIn(text, now), ailing: true };
  return status < 500 ? { kind: "rejected", reason: "message", code, text } : { kind: "unknown", code, text };
}

const remedy =
  "Check MAILGUN_API_KEY, MAILGUN_DOMAIN and MAILGUN_BASE_URL (https://api.eu.mailgun.net for a domain in the EU), and that the account may send.";

/** Mailgun answers 400 to faults of the account, the domain and the sender too. */
const ofUs =
  /\bfrom\b.*\b(parameter|address)|\baccount|\bsandbox|\bdomain\b.*\b(not|unverified|disabled)|\bnot allowed to send|\bunverified/i;

/** "… after 120 seconds", or "… after Fri, 20 Nov 2026 07:00:00 GMT". */
function waitIn(text: string, now: number): number {
  const seconds = /\bafter (\d+) ?s/i.exec(text)?.[1];
  const date = /\bafter (\w{3}, \d{1,2} \w{3} \d{4} [\d:]{8} (?:GMT|UTC))/.exec(text)?.[1];
  const wait = seconds !== undefined ? Number(seconds) * 1_000 : date ? Date.parse(date) - now : rateWaitMs;
  return Number.isNaN(wait) ? rateWaitMs : Math.min(Math.max(wait, 0), longestWaitMs);
}
