import type { SendError } from "../../model/delivery.ts";
import { certificateRefusal } from "../certificate.ts";
import { remedies, subjectOf } from "./smtp-refusal.ts";

type Outcome = SendError["outcome"];

/**
 * The error that nodemailer throws: `code` is its own word, `responseCode` and `response` are the server's. `command` is the
 * SMTP command that was refused, or `CONN` for whatever happened to the connection, after DATA too.
 */
export interface SmtpFailure {
  code?: string;
  command?: string;
  /** The system call that failed: `connect` when there was no connection yet. */
  syscall?: string;
  /** The system's own word, where nodemailer put its own in `code`. */
  originalCode?: string;
  /** Which of nodemailer's time-outs it was. */
  timeoutType?: string;
  responseCode?: number;
  response?: string;
  message: string;
}

const greylistWaitMs = 5 * 60_000;
const rateWaitMs = 60_000;

/**
 * The meaning of an SMTP failure (RFC 5321, RFC 3463; `docs/providers/smtp.md` has the table and the tests).
 * A connection may be lost after DATA, when the mail may be on its way, so that is `unknown`, except where nothing can
 * have been handed over yet: no connection, no greeting, no login.
 */
export function smtpOutcome(failure: SmtpFailure): Outcome {
  const text = (failure.response ?? failure.message).slice(0, 500);
  const status = failure.responseCode;
  // Three numbers, not four: answers name IP addresses as well.
  const enhanced = /(?<![\d.])[245]\.(\d{1,3})\.(\d{1,3})(?!\.?\d)/.exec(failure.response ?? "");
  const detail = enhanced ? `${enhanced[1]}.${enhanced[2]}` : "";
  const code =
    status === undefined ? (failure.code ?? "ERROR") : [status, enhanced?.[0]].filter(Boolean).join(" ");
  if (status === undefined) return withoutAnswer(failure, code, text);

  const { command } = failure;
  const subject = subjectOf(failure.response ?? "", detail, command);
  const ours = subject === "mailbox" ? undefined : subject;
  const loginRefused = /^(EAUTH|ENOAUTH|ETLS)$/.test(failure.code ?? "");
  if (status < 500) {
    // 454 to AUTH or STARTTLS is the server's trouble, and "too many" or "greylisted" pass by themselves.
    if (ours && !loginRefused && !passing.test(text)) return refused(ours);
    return {
      kind: "retry",
      code,
      text,
      ...waitFor(status, detail, text),
      ...(status === 421 && { ailing: true }),
    };
  }
  if (failure.code === "ETLS") return misconfigured(code, text, noTlsRemedy);
  if (loginRefused || status === 535 || status === 530)
    return misconfigured(code, text, remedies[ours ?? "login"]);
  // The greeting and EHLO come before any message, so the server refuses us.
  if (failure.code === "EPROTOCOL" || command === "EHLO" || command === "HELO")
    return misconfigured(code, text, remedies[ours ?? (command === "CONN" ? "host" : "helo")]);
  if (ours) return refused(ours);
  // Before DATA the server has not seen the message, so a rule that refuses everybody is about us.
  if (detail.startsWith("7.")) return command === "DATA" ? rejected("policy") : doubtful(true, "policy");
  if (status === 552 || detail.startsWith("6.") || detail === "3.4") return rejected("message");
  if (command === "MAIL FROM") return misconfigured(code, text, remedies.sender);
  if (command === "DATA") return rejected(/^1\./.test(detail) || detail === "2.1" ? "address" : "message");
  if (/^(1\.\d+|2\.1|4\.[14])$/.test(detail) || status === 556) return rejected("address");
  // RFC 5321 4.2.2: 550 to RCPT speaks of the mailbox, "or the command is rejected for policy reasons".
  if (status === 550 && detail === "") return doubtful(subject === "mailbox");
  // Nothing in the command but the address can have been wrong.
  if (status === 501 || status === 551 || status === 553 || status === 555)
    return detail === "" ? doubtful(true) : rejected("address");
  if (subject === "mailbox") return doubtful(true);
  if (status === 521 || (status >= 500 && status <= 504)) return refused("host");
  return rejected("message");

  function rejected(reason: "address" | "message" | "policy"): Outcome {
    return { kind: "rejected", reason, code, text };
  }

  /** `delivery/judge.ts` decides, by the answers about other recipients. */
  function doubtful(named: boolean, reason: "address" | "policy" = "address"): Outcome {
    return { kind: "rejected", reason, code, text, doubt: { named, remedy: remedies.everybody } };
  }

  /** After MAIL FROM the recipient or the message is known too: what becomes of others shows whether it holds for all. */
  function refused(subject: keyof typeof remedies): Outcome {
    const refusal = misconfigured(code, text, remedies[subject]);
    return command === "MAIL FROM" ? refusal : { ...refusal, perhapsOneOnly: true };
  }
}

const passing = /gr[ae]y-?list|too (many|fast|much)|rate|temporar|in progress/i;

const noTls = /WRONG_VERSION|wrong version number|packet length too long|EPROTO/;

function withoutAnswer(failure: SmtpFailure, code: string, text: string): Outcome {
  const said = `${failure.originalCode ?? ""} ${failure.message}`;
  if (failure.originalCode === tokenAway) return { kind: "retry", code, text, ailing: true };
  if (failure.code === "EENVELOPE" || failure.code === "EMESSAGE")
    return { kind: "rejected", reason: failure.code === "EENVELOPE" ? "address" : "message", code, text };
  if (/^(ESOCKET|ETLS)$/.test(failure.code ?? "")) {
    const refusal = certificateRefusal(failure.originalCode ?? code, text, "SMTP_HOST");
    if (refusal) return refusal;
    if (noTls.test(said)) return misconfigured(code, text, portRemedy);
  }
  if (failure.code === "ETLS") return misconfigured(code, text, noTlsRemedy);
  if (/^(EAUTH|ENOAUTH)$/.test(failure.code ?? "")) return misconfigured(code, text, remedies.login);
  const beforeAnyMail =
    failure.code === "EDNS" ||
    failure.syscall === "connect" ||
    /^(CONNECT|GREETING|UPGRADE)_TIMEOUT$/.test(failure.timeoutType ?? "") ||
    // The pool's own words, without a command: the connection was gone before it was given the message.
    (failure.code === "ECONNECTION" && failure.command === undefined);
  return beforeAnyMail ? { kind: "retry", code, text, ailing: true } : { kind: "unknown", code, text };
}

/** The error code of the OAuth2 token source when the token server does not answer. */
export const tokenAway = "ETOKEN";

const misconfigured = (code: string, text: string, remedy: string) =>
  ({ kind: "misconfigured", code, text, remedy }) as const;

const noTlsRemedy =
  "The mail server offers no TLS (STARTTLS): set SMTP_PORT=465 if it speaks TLS from the start, or SMTP_TLS=none if the network in between is trusted.";
const portRemedy =
  "The mail server does not speak TLS from the start on this port: set SMTP_PORT to its STARTTLS port, often 587.";

/** How long a transient answer asks us to wait, if it does. */
function waitFor(status: number, detail: string, text: string): { afterMs?: number; ailing?: true } {
  if (/gr[ae]y-?list/i.test(text) || (status !== 421 && detail === "7.1")) return { afterMs: greylistWaitMs };
  // Too fast or too many: that holds for every mail, not for this one.
  if (detail.startsWith("7.") || detail === "5.3") return { afterMs: rateWaitMs, ailing: true };
  return {};
}
