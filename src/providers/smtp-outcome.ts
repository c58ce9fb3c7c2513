import type { SendError } from "../model/delivery.ts";

type Outcome = SendError["outcome"];

/**
 * What nodemailer throws: `code` is its own word, `responseCode` and `response` are the server's. `command` is the
 * SMTP command refused, or `CONN` for whatever befell the connection, after DATA too.
 */
export interface SmtpFailure {
  code?: string;
  command?: string;
  /** Of the operating system's error: `connect` when there was no connection yet. */
  syscall?: string;
  /** The system's own word, where nodemailer put its own in `code`. */
  originalCode?: string;
  /** Which of nodemailer's time-outs it was. */
  timeoutType?: string;
  responseCode?: number;
  response?: string;
  message: string;
}

const remedy = "Check SMTP_LOGIN and SMTP_PASSWORD, and that the server accepts SMTP_EMAIL as sender.";

const greylistWaitMs = 5 * 60_000;
const rateWaitMs = 60_000;

/** Node's words for a certificate that it does not accept. */
const badCertificate = /CERT_|_CERT|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)|HOSTNAME_MISMATCH|INVALID_CA/;

/**
 * What an SMTP failure means (RFC 5321, RFC 3463; `docs/providers/smtp.md` has the table and the tests).
 * A lost connection may have come after DATA and then the mail may be on its way, so it is `unknown`, except where
 * nothing can have been handed over yet: no connection, no greeting, no login.
 */
export function smtpOutcome(failure: SmtpFailure): Outcome {
  const text = (failure.response ?? failure.message).slice(0, 500);
  const status = failure.responseCode;
  // Three numbers, not four: answers name IP addresses as well.
  const enhanced = /(?<![\d.])[245]\.(\d{1,3})\.(\d{1,3})(?!\.?\d)/.exec(failure.response ?? "");
  const detail = enhanced ? `${enhanced[1]}.${enhanced[2]}` : "";
  const code =
    status === undefined ? (failure.code ?? "ERROR") : [status, enhanced?.[0]].filter(Boolean).join(" ");

  // First of all: 454 to AUTH or STARTTLS is the server's trouble, not our configuration's.
  if (status !== undefined && status < 500)
    return {
      kind: "retry",
      code,
      text,
      ...waitFor(status, detail, text),
      ...(status === 421 && { ailing: true }),
    };
  if (/^(EAUTH|ENOAUTH|ETLS)$/.test(failure.code ?? "") || status === 535 || status === 530)
    return { kind: "misconfigured", code, text, remedy };
  if (status === undefined) return withoutAnswer(failure, code, text);
  // A 5xx to the greeting or to EHLO speaks of us; whatever is waiting would get the same.
  if (failure.code === "EPROTOCOL" || failure.command === "EHLO")
    return { kind: "misconfigured", code, text, remedy };
  if (detail.startsWith("7.")) return { kind: "rejected", reason: "policy", code, text };
  if (status === 552 || detail.startsWith("6.") || detail === "3.4")
    return { kind: "rejected", reason: "message", code, text };
  // It is our sender's address that this refuses, not the recipient's.
  if (failure.command === "MAIL FROM") return { kind: "misconfigured", code, text, remedy };
  if (status === 551 || status === 553 || /^(1\.[1236]|2\.1)$/.test(detail))
    return { kind: "rejected", reason: "address", code, text };
  // RFC 5321 4.2.2: a bare 550 to RCPT speaks of the mailbox, to DATA of the message.
  const reason = status === 550 && detail === "" && failure.command !== "DATA" ? "address" : "message";
  return { kind: "rejected", reason, code, text };
}

function withoutAnswer(failure: SmtpFailure, code: string, text: string): Outcome {
  if (failure.code === "EENVELOPE" || failure.code === "EMESSAGE")
    return { kind: "rejected", reason: failure.code === "EENVELOPE" ? "address" : "message", code, text };
  if (badCertificate.test(failure.originalCode ?? "")) return { kind: "misconfigured", code, text, remedy };
  const beforeAnyMail =
    failure.code === "EDNS" ||
    failure.syscall === "connect" ||
    /^(CONNECT|GREETING|UPGRADE)_TIMEOUT$/.test(failure.timeoutType ?? "") ||
    // The pool's own words, without a command: the connection was gone before it was given the message.
    (failure.code === "ECONNECTION" && failure.command === undefined);
  return beforeAnyMail ? { kind: "retry", code, text, ailing: true } : { kind: "unknown", code, text };
}

/** How long a transient answer asks for, if it does. */
function waitFor(status: number, detail: string, text: string): { afterMs?: number; ailing?: true } {
  if (/gr[ae]y-?list/i.test(text) || (status !== 421 && detail === "7.1")) return { afterMs: greylistWaitMs };
  // Too fast or too many: that is said to all of us, not to this mail.
  if (detail.startsWith("7.") || detail === "5.3") return { afterMs: rateWaitMs, ailing: true };
  return {};
}
