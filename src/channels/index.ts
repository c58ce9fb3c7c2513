import type { Static } from "typebox";
import { inGroup, type Variable } from "../config/variable.ts";
import { email } from "./email/channel.ts";
import { mailgun } from "./email/mailgun.ts";
import { type SmtpSettings, senderOf, smtp } from "./email/smtp.ts";
import type { ChannelModule, ProviderModule, Settings } from "./module.ts";
import { maxSmsCharacters, sms } from "./sms/channel.ts";
import { twilio } from "./sms/twilio.ts";
import { webhook } from "./webhook/channel.ts";
import { newWebhookSecret, webhookKey } from "./webhook/signature.ts";
import { webhookCalls } from "./webhook/webhook.ts";

/** The providers of each channel. */
const emailProviders = [smtp, mailgun];
const smsProviders = [twilio];

const emailChannel = {
  ...email,
  providers: emailProviders,
  variables: {
    EMAIL_PROVIDERS: orderOf(email.label, emailProviders, {
      description:
        "Order in which e-mail providers are tried. The default is every configured one, Mailgun first.",
    }),
  },
  order: "EMAIL_PROVIDERS",
  capture: {
    sender: (config: SmtpSettings) => senderOf(config),
    toSend: "SMTP_HOST, or Mailgun's variables",
  },
  newUser: {
    variable: "EMAIL",
    field: "email" as const,
    words: "an e-mail address",
    // Nothing can be delivered to `.invalid`.
    newcomer: "newcomer@belfry.invalid",
  },
};

const smsChannel = {
  ...sms,
  providers: smsProviders,
  variables: {
    SMS_PROVIDERS: orderOf(sms.label, smsProviders, {
      description: "Order in which SMS providers are tried. The default is every configured one.",
    }),
  },
  order: "SMS_PROVIDERS",
  capture: { toSend: "Twilio's variables" },
  newUser: {
    variable: "RECEIVER_PHONE_NUMBER",
    field: "phone" as const,
    words: "a phone number",
    // 555-0100 belongs to nobody.
    newcomer: "+12025550100",
  },
};

const webhookChannel = { ...webhook, providers: [webhookCalls], variables: {} };

/** The built-in channels, in the order of every list. */
const builtIn = [emailChannel, smsChannel, webhookChannel] as const;
type BuiltIn = (typeof builtIn)[number];

/** An entry's templates for other languages: `"locales": { "de": { "subject": … } }`. */
type Locales<Entry, Part> = { locales?: Record<string, Pick<Entry, Part & keyof Entry>> };

/** The entries of a notification type for the built-in channels. */
export type BuiltInEntries = {
  [One in BuiltIn as One["name"]]: Static<One["schema"]> &
    Locales<Static<One["schema"]>, keyof One["templates"]>;
};

/** The one list of channels. Everything that names channels or providers reads it. */
export const channels: ChannelModule[] = [...builtIn];

export { maxSmsCharacters, newWebhookSecret, webhookKey };

export const channelNames = (): string[] => channels.map(({ name }) => name);

export function channelOf(name: string): ChannelModule {
  const found = channels.find((one) => one.name === name);
  if (!found) throw new Error(`there is no channel ${name}`);
  return found;
}

type Merged<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** The variables of every channel and its providers, in the order of the generated file. */
export const channelVariables = Object.assign(
  {},
  ...channels.flatMap(({ variables, providers }) => [variables, ...providers.map((one) => one.variables)]),
) as Merged<BuiltIn["variables"] | BuiltIn["providers"][number]["variables"]>;

export const isConfigured = ({ key }: ProviderModule, config: Settings): boolean =>
  key === undefined || config[key] !== undefined;

/** Whether anything is sent on the channel, rather than captured. */
export const canSend = ({ providers }: ChannelModule, config: Settings): boolean =>
  providers.some((one) => isConfigured(one, config));

/** The providers of a channel: in the operator's order, or every configured one; capture only when there is no other. */
export function providersOf({ providers, order, capture }: ChannelModule, config: Settings): string[] {
  const named = order === undefined ? undefined : (config[order] as string[] | undefined);
  if (named) return named;
  const usable = providers.filter((one) => isConfigured(one, config));
  if (usable.length === 0 && capture) return ["capture"];
  const first = (one: ProviderModule) => (one.preferred ? 0 : 1);
  return usable.sort((a, b) => first(a) - first(b)).map(({ name }) => name);
}

/** The callback routes, each with how its calls are read if that is configured. */
export const callbacksOf = (config: Settings) =>
  channels.flatMap(({ providers }) =>
    providers.flatMap(({ name: provider, callback }) =>
      callback ? [{ ...callback, provider, read: callback.open(config) }] : [],
    ),
  );

function orderOf(
  group: string,
  providers: ProviderModule[],
  facts: { description: string },
): Variable<string[] | undefined> {
  const names = [...providers.map(({ name }) => name), "capture"];
  return inGroup(group).list(names.join(", "), facts, (name) =>
    names.includes(name) ? undefined : `must name some of ${names.join(", ")}`,
  );
}
