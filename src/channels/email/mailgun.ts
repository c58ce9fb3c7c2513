import { SendError } from "../../model/delivery.ts";
import { isMailbox, messageIdOf, notOneMailbox } from "../../model/mailbox.ts";
import type { Provider } from "../../model/provider.ts";
import { postForm } from "../http-answer.ts";
import { mailgunOutcome } from "./mailgun-outcome.ts";

export interface MailgunOptions {
  apiKey: string;
  domain: string;
  /** Without the version: `https://api.mailgun.net`. */
  baseUrl: string;
  from: { address: string; name: string };
  timeoutMs: number;
  now: () => number;
}

/** E-mail through Mailgun's API. */
export function createMailgunProvider(options: MailgunOptions): Provider<"email"> {
  const { apiKey, domain, baseUrl, from, timeoutMs, now } = options;
  const sender = (name: string) => `"${name.replace(/["\\]/g, "\\$&")}" <${from.address}>`;

  return {
    name: "mailgun",
    channel: "email",
    async send({ id, to, subject, text, html, replyTo, fromName }, signal) {
      if (!isMailbox(to)) throw notOneMailbox();
      const answer = await postForm({
        url: `${baseUrl}/v3/${encodeURIComponent(domain)}/messages`,
        user: "api",
        password: apiKey,
        form: {
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
        },
        timeoutMs,
        signal,
        variable: "MAILGUN_BASE_URL",
      });
      const { status, json } = answer;
      if (status < 200 || status > 299) throw new SendError(mailgunOutcome(answer, now()));
      return {
        // In the form that the webhooks have.
        ...(typeof json.id === "string" && { providerId: json.id.replace(/^<|>$/g, "") }),
        ...(json.message !== undefined && { text: String(json.message) }),
      };
    },
    async close() {},
  };
}
