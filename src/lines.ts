import { createCaptureProvider } from "./channels/capture.ts";
import { createMailgunProvider } from "./channels/email/mailgun.ts";
import { createSmtpProvider } from "./channels/email/smtp.ts";
import { createTwilioProvider } from "./channels/sms/twilio.ts";
import { createWebhookProvider } from "./channels/webhook/webhook.ts";
import { senderOf, webhookRules } from "./config/rules.ts";
import type { Config } from "./config/table.ts";
import type { Line } from "./delivery/attempt.ts";
import { ratePatienceMs } from "./delivery/attempt.ts";
import { createHealth } from "./delivery/health.ts";
import { createRateLimit, type Rate } from "./delivery/rate.ts";
import type { Logger } from "./log.ts";
import type { Channel } from "./model/notification.ts";
import type { CapturedMessage, Messages, Provider } from "./model/provider.ts";
import { smsSegments } from "./model/sms.ts";

/** A provider that can be configured. The registry below has one entry each. */
interface Offer<C extends Channel> {
  /** Whether its variables are set. */
  configured: boolean;
  make: () => Promise<Provider<C>> | Provider<C>;
  rate?: Rate | undefined;
  cost?: (message: Messages[C]) => number;
}

export interface LinePartners {
  capture: (messages: CapturedMessage[]) => Promise<Array<undefined | Error>>;
  now: () => number;
  log: Logger;
}

/** The providers of each channel, in order of preference. */
export async function openLines(config: Config, partners: LinePartners): Promise<Record<Channel, Line[]>> {
  const { capture, now, log } = partners;
  const from = senderOf(config) ?? "belfry@localhost";

  const email: Record<string, Offer<"email">> = {
    mailgun: {
      configured: config.MAILGUN_API_KEY !== undefined,
      rate: config.MAILGUN_RATE,
      make: () =>
        createMailgunProvider({
          apiKey: config.MAILGUN_API_KEY as string,
          domain: config.MAILGUN_DOMAIN as string,
          baseUrl: config.MAILGUN_BASE_URL,
          from: { address: senderOf(config) ?? `belfry@${config.MAILGUN_DOMAIN}`, name: config.SMTP_NAME },
          timeoutMs: config.PROVIDER_TIMEOUT_MS,
          now,
        }),
    },
    smtp: {
      configured: config.SMTP_HOST !== undefined,
      rate: config.SMTP_RATE,
      make: () =>
        createSmtpProvider({
          host: config.SMTP_HOST as string,
          port: config.SMTP_PORT,
          login: config.SMTP_LOGIN,
          password: config.SMTP_PASSWORD,
          ...(config.SMTP_OAUTH_TOKEN_URL !== undefined && {
            oauth: {
              tokenUrl: config.SMTP_OAUTH_TOKEN_URL,
              clientId: config.SMTP_OAUTH_CLIENT_ID as string,
              clientSecret: config.SMTP_OAUTH_CLIENT_SECRET,
              refreshToken: config.SMTP_OAUTH_REFRESH_TOKEN,
              scope: config.SMTP_OAUTH_SCOPE,
            },
          }),
          from: { address: from, name: config.SMTP_NAME },
          ehlo: config.SMTP_EHLO,
          tls: config.SMTP_TLS,
          connections: config.SMTP_CONNECTIONS,
        }),
    },
    capture: {
      configured: true,
      make: () =>
        createCaptureProvider({
          channel: "email",
          from: { address: from, name: config.SMTP_NAME },
          now,
          add: capture,
        }),
    },
  };
  const sms: Record<string, Offer<"sms">> = {
    twilio: {
      configured: config.TWILIO_SID !== undefined,
      rate: config.TWILIO_RATE,
      cost: (message) => smsSegments(message.text),
      make: () =>
        createTwilioProvider({
          sid: config.TWILIO_SID as string,
          authToken: config.TWILIO_AUTH_TOKEN as string,
          from: (config.TWILIO_MESSAGING_SERVICE_SID ?? config.TWILIO_PHONE_NUMBER) as string,
          baseUrl: config.TWILIO_BASE_URL,
          validitySeconds: config.TWILIO_VALIDITY_SECONDS,
          statusCallback:
            config.PUBLIC_URL === undefined
              ? undefined
              : (id) => `${config.PUBLIC_URL}/v1/callbacks/twilio?delivery=${id}`,
          timeoutMs: config.PROVIDER_TIMEOUT_MS,
        }),
    },
    capture: {
      configured: true,
      make: () => createCaptureProvider({ channel: "sms", from: undefined, now, add: capture }),
    },
  };

  const webhook: Offer<"webhook"> = {
    configured: true,
    rate: config.WEBHOOK_RATE,
    make: () =>
      createWebhookProvider({
        ...webhookRules(config),
        timeoutMs: config.PROVIDER_TIMEOUT_MS,
        now,
      }),
  };

  const lines = {
    email: await open(email, config.EMAIL_PROVIDERS),
    sms: await open(sms, config.SMS_PROVIDERS),
    // Webhooks need no provider; the target belongs to the user.
    webhook: [await lineOf(webhook)],
  };
  return lines as Record<Channel, Line[]>;

  /** The named providers, or all configured ones; capture only when there is no other. */
  async function open<C extends Channel>(
    offers: Record<string, Offer<C>>,
    named: string[] | undefined,
  ): Promise<Array<Line<C>>> {
    const configured = Object.keys(offers).filter((name) => offers[name]?.configured && name !== "capture");
    const names = named ?? (configured.length > 0 ? configured : ["capture"]);
    return Promise.all(names.map((name) => lineOf(offers[name] as Offer<C>)));
  }

  async function lineOf<C extends Channel>(offer: Offer<C>): Promise<Line<C>> {
    const provider = await offer.make();
    const health = createHealth({
      now,
      onChange({ state, ...details }) {
        const which = { channel: provider.channel, provider: provider.name };
        if (state === "ok") log.info(which, "the provider works again");
        else
          log.warn(
            { ...which, state, ...details },
            state === "open"
              ? "the provider fails: it is paused and checked at intervals until it answers"
              : "the provider refuses our configuration: it is paused until the configuration is corrected",
          );
      },
    });
    return {
      provider,
      health,
      cost: offer.cost ?? (() => 1),
      ...(offer.rate && { rate: createRateLimit(offer.rate, now, ratePatienceMs) }),
    };
  }
}
