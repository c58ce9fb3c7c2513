import type { SendError } from "../model/delivery.ts";

type Outcome = SendError["outcome"];

/** What nodemailer throws: `code` is its own word, `responseCode` and `response` are the server's. */
export interface SmtpFailure {
  code?: string;
  command?: string;
  responseCode?: number;
  response?: string;
  message: string;
}

const greylistWaitMs = 5 * 60_000;
const rateWaitMs = 60_000;

/**
 * What an SMTP failure means (RFC 5321, RFC 3463; `docs/providers/smtp.md` has the table and the tests).
 * A lost connection may have come after DATA and then the mail may be on its way, so it is `unknown`, except where
 * nothing can have been handed over yet: no connection, no greeting, no login.
 */
export function smtpOutcome(failure: SmtpFailure): Outcome {
  const text = (failure.response ?? failure.message).slice(0, 500);
  const status = failure.responseCode;
  const enhanced = /\b[245]\.(\d{1,3})\.(\d{1,3})\b/.exec(failure.response ?? "");
  const detail = enhanced ? `${enhanced[1]}.${enhanced[2]}` : "";
  const code =
    status === undefined ? (failure.code ?? "ERROR") : [status, enhanced?.[0]].filter(Boolean).join(" ");

  if (failure.code === "EAUTH" || failure.code === "ENOAUTH" || status === 535 || status === 530)
    return { kind: "config", code, text };
  if (status === undefined) return withoutAnswer(failure, code, text);
  if (status < 500)
    return {
      kind: "retry",
      code,
      text,
      ...waitFor(status, detail, text),
      ...(status === 421 && { ailing: true }),
    };
  if (detail.startsWith("7.")) return { kind: "no", reason: "policy", code, text };
  if (status === 552 || detail.startsWith("6.") || detail === "3.4")
    return { kind: "no", reason: "message", code, text };
  if (status === 551 || status === 553 || /^(1\.[1236]|2\.1)$/.test(detail))
    return { kind: "no", reason: "address", code, text };
  // RFC 5321 4.2.2: a bare 550 to RCPT speaks of the mailbox, to DATA of the message.
  const reason = status === 550 && failure.command !== "DATA" ? "address" : "message";
  return { kind: "no", reason, code, text };
}

function withoutAnswer(failure: SmtpFailure, code: string, text: string): Outcome {
  if (failure.code === "EENVELOPE" || failure.code === "EMESSAGE")
    return { kind: "no", reason: failure.code === "EENVELOPE" ? "address" : "message", code, text };
  if (failure.code === "ETLS") return { kind: "config", code, text };
  const beforeAnyMail =
    failure.command === "CONN" || failure.code === "EDNS" || failure.code === "ECONNREFUSED";
  return beforeAnyMail ? { kind: "retry", code, text, ailing: true } : { kind: "unknown", code, text };
}

/** How long a transient answer asks for, if it does. */
function waitFor(status: number, detail: string, text: string): { afterMs?: number } {
  if (/gr[ae]y-?list/i.test(text) || (status !== 421 && detail === "7.1")) return { afterMs: greylistWaitMs };
  if (detail.startsWith("7.") || detail === "5.3") return { afterMs: rateWaitMs };
  return {};
}
