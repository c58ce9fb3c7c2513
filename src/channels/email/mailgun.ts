import { inGroup, type SettingsOf } from "../../config/variable.ts";
import type { EmailMessage, Provider } from "../../model/channel.ts";
import { SendError } from "../../model/delivery.ts";
import { isMailbox, messageIdOf, notOneMailbox } from "../../model/mailbox.ts";
import { postForm } from "../http-answer.ts";
import { missingParts } from "../missing-parts.ts";
import type { Check, ProviderModule, ServiceSettings } from "../module.ts";
import { email } from "./channel.ts";
import { mailgunCallback } from "./mailgun-callback.ts";
import { mailgunOutcome } from "./mailgun-outcome.ts";
import { type SmtpSettings, senderOf } from "./smtp.ts";

const mail = inGroup(email.label);

const variables = {
  MAILGUN_API_KEY: mail.token({ description: "Mailgun API key that may send.", secret: true }),
  MAILGUN_DOMAIN: mail.domain({
    description: "Mailgun sending domain. The sender is `SMTP_EMAIL`, else belfry@ this domain.",
  }),
  MAILGUN_BASE_URL: mail.url(
    {
      description: "Mailgun API; https://api.eu.mailgun.net for domains in the EU.",
      default: "https://api.mailgun.net",
    },
    ["https", "http"],
  ),
  MAILGUN_SIGNING_KEY: mail.token({
    description:
      "Mailgun's HTTP webhook signing key. With it Belfry accepts Mailgun's webhooks at /v1/callbacks/mailgun.",
    secret: true,
  }),
  MAILGUN_RATE: mail.rate({ description: "Most mails sent through Mailgun, per process." }),
};

type MailgunSettings = SettingsOf<typeof variables> & SmtpSettings & ServiceSettings;

export const mailgun = {
  name: "mailgun",
  preferred: true,
  variables,
  key: "MAILGUN_API_KEY",
  rate: "MAILGUN_RATE",
  problems: ({ isSet }: Check) =>
    missingParts(isSet, ["MAILGUN_API_KEY", "MAILGUN_DOMAIN"], ["MAILGUN_SIGNING_KEY", "MAILGUN_RATE"]),
  open: (config: MailgunSettings, now: () => number) =>
    createMailgunProvider({
      apiKey: config.MAILGUN_API_KEY as string,
      domain: config.MAILGUN_DOMAIN as string,
      baseUrl: config.MAILGUN_BASE_URL,
      from: senderOf(config, `belfry@${config.MAILGUN_DOMAIN}`),
      timeoutMs: config.PROVIDER_TIMEOUT_MS,
      now,
    }),
  callback: mailgunCallback,
} satisfies ProviderModule;

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
export function createMailgunProvider(options: MailgunOptions): Provider<EmailMessage> {
  const { apiKey, domain, baseUrl, from, timeoutMs, now } = options;
  const sender = (name: string) => `"${name.replace(/["\\]/g, "\\$&")}" <${from.address}>`;

  return {
    name: "mailgun",
    channel: "email",
    async send({ id, to, subject, text, html, replyTo, fromName, headers = {} }, signal) {
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
          ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [`h:${name}`, value])),
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
