import { isMailbox, messageIdOf, notOneMailbox } from "../../model/mailbox.ts";
import type { Provider } from "../../model/provider.ts";
import { answerWithin } from "../http-answer.ts";
import { type MailgunFailure, mailgunOutcome } from "./mailgun-outcome.ts";

export interface MailgunOptions {
  apiKey: string;
  domain: string;
  /** Without the version: `https://api.mailgun.net`. */
  baseUrl: string;
  from: { address: string; name: string };
  timeoutMs: number;
  now: () => number;
}

/** E-mail through Mailgun's API. The library is loaded by the process that needs it. */
export async function createMailgunProvider(options: MailgunOptions): Promise<Provider<"email">> {
  const { apiKey, domain, from, timeoutMs, now } = options;
  const { default: Mailgun } = await import("mailgun.js");
  const { messages } = new Mailgun(FormData).client({
    username: "api",
    key: apiKey,
    url: options.baseUrl,
    timeout: timeoutMs,
  });
  const sender = (name: string) => `"${name.replace(/["\\]/g, "\\$&")}" <${from.address}>`;

  return {
    name: "mailgun",
    channel: "email",
    async send({ id, to, subject, text, html, replyTo, fromName }) {
      if (!isMailbox(to)) throw notOneMailbox();
      const sending = messages.create(domain, {
        from: sender(fromName ?? from.name),
        to,
        subject,
        text,
        ...(html !== undefined && { html }),
        // The same with every e-mail provider, so that a second copy can be recognised.
        "h:Message-Id": messageIdOf(id, from.address),
        "h:Date": new Date(now()).toUTCString().replace("GMT", "+0000"),
        "h:Auto-Submitted": "auto-generated",
        ...(replyTo !== undefined && { "h:Reply-To": replyTo }),
        "v:delivery_id": id,
      });
      const taken = await answerWithin(timeoutMs, sending, (error) =>
        mailgunOutcome(error as MailgunFailure, now()),
      );
      return {
        // In the form that the webhooks have.
        ...(typeof taken.id === "string" && { providerId: taken.id.replace(/^<|>$/g, "") }),
        ...(taken.message && { text: String(taken.message) }),
      };
    },
    async close() {},
  };
}
