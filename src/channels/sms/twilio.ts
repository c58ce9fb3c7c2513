import { inGroup, Problem, type SettingsOf } from "../../config/variable.ts";
import type { Provider, SmsMessage } from "../../model/channel.ts";
import { SendError } from "../../model/delivery.ts";
import { phoneForm, phoneNumber } from "../../model/phone.ts";
import { postForm } from "../http-answer.ts";
import { missingParts } from "../missing-parts.ts";
import type { Check, ProviderModule, ServiceSettings } from "../module.ts";
import { sms as rules } from "./channel.ts";
import { smsSegments } from "./segments.ts";
import { twilioCallback } from "./twilio-callback.ts";
import { twilioOutcome } from "./twilio-outcome.ts";

const sms = inGroup(rules.label);

const variables = {
  TWILIO_SID: sms.token(
    { description: "Twilio account SID. Without it texts are captured and shown at GET /v1/captured." },
    "AC…",
  ),
  TWILIO_AUTH_TOKEN: sms.token({
    description: "Twilio auth token. It also verifies Twilio's callbacks.",
    secret: true,
  }),
  TWILIO_PHONE_NUMBER: sms.define<string, { description: string }>(
    { description: "Sender: a phone number, short code or alphanumeric sender of the Twilio account." },
    "phone number, short code or sender name",
    (text) =>
      smsSender(text) ??
      new Problem(`must be ${phoneForm}, a short code, or a sender name of at most 11 letters and digits`),
  ),
  TWILIO_MESSAGING_SERVICE_SID: sms.checked(
    { description: "Sender: a Messaging Service of the Twilio account, instead of a number." },
    "MG…",
    (text) =>
      isMessagingService(text) ? undefined : "must be a Messaging Service SID: MG and 32 hex digits",
  ),
  TWILIO_BASE_URL: sms.url(
    { description: "Twilio API; another host for another region.", default: "https://api.twilio.com" },
    ["https", "http"],
  ),
  TWILIO_VALIDITY_SECONDS: sms.integer(1, 36_000, {
    description: "How long Twilio keeps trying to deliver a text.",
    default: "14400",
  }),
  TWILIO_RATE: sms.rate({ description: "Most SMS segments sent through Twilio, per process." }),
};

type TwilioSettings = SettingsOf<typeof variables> & ServiceSettings;

/** Either names the sender. */
const senders = ["TWILIO_PHONE_NUMBER", "TWILIO_MESSAGING_SERVICE_SID"] as const;

export const twilio = {
  name: "twilio",
  variables,
  key: "TWILIO_SID",
  rate: "TWILIO_RATE",
  cost: ({ text }: SmsMessage) => smsSegments(text),
  problems({ config, isSet }: Check<TwilioSettings>) {
    const problems = missingParts(isSet, ["TWILIO_SID", "TWILIO_AUTH_TOKEN"], [...senders, "TWILIO_RATE"]);
    if (isSet("TWILIO_SID") && !senders.some(isSet))
      problems.push("TWILIO_PHONE_NUMBER: is missing; TWILIO_SID needs it, or TWILIO_MESSAGING_SERVICE_SID");
    if (senders.every((name) => config[name] !== undefined))
      problems.push(
        "TWILIO_PHONE_NUMBER: must not be set beside TWILIO_MESSAGING_SERVICE_SID: Twilio takes one sender",
      );
    if (config.TWILIO_SID && !config.TWILIO_SID.startsWith("AC"))
      problems.push("TWILIO_SID: must be the account's SID, which begins with AC");
    return problems;
  },
  open: (config: TwilioSettings) =>
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
  callback: twilioCallback,
} satisfies ProviderModule;

const isMessagingService = (text: string): boolean => /^MG[0-9a-f]{32}$/i.test(text);

/** The sender: a number, a Messaging Service (`MG…`), a short code, or an alphanumeric sender. */
export function smsSender(text: string): string | undefined {
  if (isMessagingService(text) || /^\d{3,8}$/.test(text)) return text;
  // At most 11 characters with at least one letter (twilio.com/docs/glossary/what-alphanumeric-sender-id).
  if (/^(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}$/.test(text)) return text;
  return phoneNumber(text);
}

export interface TwilioOptions {
  /** The account's, `AC…`. */
  sid: string;
  authToken: string;
  /** A number, short code or sender name; or a Messaging Service, `MG…`. */
  from: string;
  baseUrl: string;
  /** Twilio drops a text that it could not hand over for so long. */
  validitySeconds: number;
  /** Where Twilio reports what became of a delivery. */
  statusCallback?: ((deliveryId: string) => string) | undefined;
  timeoutMs: number;
}

/** SMS through Twilio's API. */
export function createTwilioProvider(options: TwilioOptions): Provider<SmsMessage> {
  const { sid, from, statusCallback } = options;

  return {
    name: "twilio",
    channel: "sms",
    async send({ id, to, text }, signal) {
      const answer = await postForm({
        url: `${options.baseUrl}/2010-04-01/Accounts/${sid}/Messages.json`,
        user: sid,
        password: options.authToken,
        form: {
          ...(isMessagingService(from) ? { MessagingServiceSid: from } : { From: from }),
          To: to,
          Body: text,
          ValidityPeriod: String(options.validitySeconds),
          ...(statusCallback && { StatusCallback: statusCallback(id) }),
        },
        timeoutMs: options.timeoutMs,
        signal,
        variable: "TWILIO_BASE_URL",
      });
      const { status, json } = answer;
      if (status < 200 || status > 299) throw new SendError(twilioOutcome(answer));
      return {
        ...(typeof json.sid === "string" && { providerId: json.sid }),
        ...(json.status !== undefined && { text: String(json.status) }),
      };
    },
    async close() {},
  };
}
