import type { SendError } from "../../model/delivery.ts";
import type { HttpAnswer } from "../http-answer.ts";

const rateWaitMs = 60_000;
const longestWaitMs = 24 * 60 * 60_000;

/**
 * The meaning of an answer other than 2xx (documentation.mailgun.com, "API response codes"; `docs/providers/mailgun.md` has
 * the table and the tests). `now`: Unix ms, for answers that name a time.
 */
export function mailgunOutcome(answer: HttpAnswer, now: number): SendError["outcome"] {
  const { status } = answer;
  const code = String(status);
  const text = String(answer.json.message || answer.text || `Mailgun answered ${status}`);
  // A redirect or a 404 is an unknown domain, or a base URL that leads nowhere: it holds for every message.
  if (status < 400 || (status >= 401 && status <= 405) || (status === 400 && ofUs.test(text)))
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
