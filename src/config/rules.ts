import { isIP } from "node:net";
import { createUrlCheck, type GuardOptions } from "../channels/webhook/guard.ts";
import { readPublicKey } from "../core/tokens.ts";
import { needsSmtpUtf8 } from "../model/mailbox.ts";
import type { Config } from "./table.ts";

/**
 * Settings that do not fit together, as sentences. `wrong`: variables that have a problem already; they count as set,
 * so that one mistake is reported once.
 */
export function contradictions(config: Config, wrong: Set<string>): string[] {
  const problems: string[] = [];
  const isSet = (name: keyof Config) => config[name] !== undefined || wrong.has(name);
  if (!wrong.has("HOST") && !isLoopback(config.HOST) && !isSet("API_KEYS") && config.AUTH === "on")
    problems.push(
      `HOST: ${config.HOST} can be reached by others, and no API key is set: set API_KEYS, or AUTH=off to let everyone in`,
    );
  if (isSet("SMTP_HOST") && !senderOf(config) && !wrong.has("SMTP_EMAIL"))
    problems.push("SMTP_EMAIL: must be set to the sender's address, unless SMTP_LOGIN is an address");
  if (isSet("SMTP_PASSWORD") && !isSet("SMTP_LOGIN"))
    problems.push("SMTP_LOGIN: must be set when SMTP_PASSWORD is set");
  if (isSet("SMTP_LOGIN") && !isSet("SMTP_HOST"))
    problems.push("SMTP_HOST: must be set when SMTP_LOGIN is set");
  if (config.SMTP_PORT === 465 && config.SMTP_TLS === "none")
    problems.push("SMTP_TLS: must not be none with SMTP_PORT 465, which uses TLS from the start");
  problems.push(...smtpProblems(config, isSet));
  problems.push(
    ...missingParts(isSet, ["MAILGUN_API_KEY", "MAILGUN_DOMAIN"], ["MAILGUN_SIGNING_KEY", "MAILGUN_RATE"]),
    ...missingParts(isSet, ["TWILIO_SID", "TWILIO_AUTH_TOKEN"], [...twilioSenders, "TWILIO_RATE"]),
  );
  if (isSet("TWILIO_SID") && !twilioSenders.some(isSet))
    problems.push("TWILIO_PHONE_NUMBER: is missing; TWILIO_SID needs it, or TWILIO_MESSAGING_SERVICE_SID");
  if (twilioSenders.every((name) => config[name] !== undefined))
    problems.push(
      "TWILIO_PHONE_NUMBER: must not be set beside TWILIO_MESSAGING_SERVICE_SID: Twilio takes one sender",
    );
  if (config.TWILIO_SID && !config.TWILIO_SID.startsWith("AC"))
    problems.push("TWILIO_SID: must be the account's SID, which begins with AC");
  if (isSet("WEBHOOK_URL") !== isSet("WEBHOOK_SECRET"))
    problems.push("WEBHOOK_URL: needs WEBHOOK_SECRET and the other way round: set both or neither");
  if ((config.WEBHOOK_SECRET?.length ?? 0) > 2)
    problems.push("WEBHOOK_SECRET: must be at most two secrets, the new one and the old one");
  problems.push(
    ...orderProblems(config, isSet, "EMAIL_PROVIDERS", { smtp: "SMTP_HOST", mailgun: "MAILGUN_API_KEY" }),
    ...orderProblems(config, isSet, "SMS_PROVIDERS", { twilio: "TWILIO_SID" }),
    ...webhookUrlProblems(config, wrong),
    ...listenerProblems(config),
  );
  return problems;
}

function smtpProblems(config: Config, isSet: IsSet): string[] {
  const { SMTP_EHLO, SMTP_EMAIL } = config;
  const problems: string[] = [];
  if (SMTP_EHLO !== undefined && !isEhloName(SMTP_EHLO))
    problems.push(
      "SMTP_EHLO: must be a host name such as mail.example.com, or an IP address such as [203.0.113.9]",
    );
  if (SMTP_EMAIL !== undefined && needsSmtpUtf8(SMTP_EMAIL))
    problems.push(
      "SMTP_EMAIL: must have only ASCII characters before the @: many mail servers accept no others",
    );
  problems.push(
    ...missingParts(
      isSet,
      ["SMTP_OAUTH_TOKEN_URL", "SMTP_OAUTH_CLIENT_ID"],
      ["SMTP_OAUTH_CLIENT_SECRET", "SMTP_OAUTH_REFRESH_TOKEN", "SMTP_OAUTH_SCOPE"],
    ),
  );
  if (!isSet("SMTP_OAUTH_TOKEN_URL")) return problems;
  if (!isSet("SMTP_LOGIN"))
    problems.push("SMTP_LOGIN: must be set to the mailbox when SMTP_OAUTH_TOKEN_URL is set");
  if (isSet("SMTP_PASSWORD"))
    problems.push("SMTP_PASSWORD: must not be set beside SMTP_OAUTH_TOKEN_URL: remove one of them");
  if (!isSet("SMTP_OAUTH_CLIENT_SECRET") && !isSet("SMTP_OAUTH_REFRESH_TOKEN"))
    problems.push("SMTP_OAUTH_CLIENT_SECRET: must be set when SMTP_OAUTH_REFRESH_TOKEN is not");
  return problems;
}

/** RFC 5321 4.1.3: a name, or an address literal. */
function isEhloName(name: string): boolean {
  const literal = /^\[(?:IPv6:)?(.+)\]$/i.exec(name)?.[1];
  if (literal !== undefined) return isIP(literal) !== 0;
  return name.length <= 253 && isIP(name) === 0 && /^[a-z\d_]([\w-]*\w)?(\.\w([\w-]*\w)?)*$/i.test(name);
}

function webhookUrlProblems(config: Config, wrong: Set<string>): string[] {
  const { WEBHOOK_URL } = config;
  const hasRules = !wrong.has("WEBHOOK_PORTS") && !wrong.has("WEBHOOK_ALLOW_NETWORKS");
  if (WEBHOOK_URL === undefined || !hasRules) return [];
  const problem = createUrlCheck(webhookRules(config))(WEBHOOK_URL);
  return problem === undefined ? [] : [`WEBHOOK_URL: ${problem}`];
}

/** Either names the sender. */
const twilioSenders = ["TWILIO_PHONE_NUMBER", "TWILIO_MESSAGING_SERVICE_SID"] as const;

/** What webhooks may call. */
export function webhookRules(config: Config): GuardOptions {
  return {
    allowHttp: config.WEBHOOK_ALLOW_HTTP,
    allowNetworks: config.WEBHOOK_ALLOW_NETWORKS ?? [],
    ports: config.WEBHOOK_PORTS.map(Number),
  };
}

function listenerProblems({ TOKEN_PUBLIC_KEY, TRUST_PROXY = [] }: Config): string[] {
  const problems: string[] = [];
  try {
    if (TOKEN_PUBLIC_KEY !== undefined) readPublicKey(TOKEN_PUBLIC_KEY);
  } catch (error) {
    problems.push(`TOKEN_PUBLIC_KEY: ${(error as Error).message}`);
  }
  if (TRUST_PROXY.some((network) => /\/0+$/.test(network)))
    problems.push(
      "TRUST_PROXY: must name your own proxies: with everybody, any caller could claim any address",
    );
  return problems;
}

type IsSet = (name: keyof Config) => boolean;

/** A provider needs all of its variables or none. */
function missingParts(isSet: IsSet, needed: Array<keyof Config>, others: Array<keyof Config>): string[] {
  const given = [...needed, ...others].filter(isSet);
  if (given.length === 0) return [];
  const missing = needed.filter((name) => !isSet(name));
  return missing.map(
    (name) => `${name}: is missing although ${given.join(" and ")} ${given.length > 1 ? "are" : "is"} set`,
  );
}

/** `needs`: the variable without which a provider is not configured. */
function orderProblems(
  config: Config,
  isSet: IsSet,
  variable: "EMAIL_PROVIDERS" | "SMS_PROVIDERS",
  needs: Record<string, keyof Config>,
): string[] {
  const named = config[variable] ?? [];
  const problems = named.flatMap((name) => {
    const needed = needs[name];
    return needed !== undefined && !isSet(needed)
      ? [`${variable}: names ${name}, whose variables are not set: set ${needed} or remove ${name}`]
      : [];
  });
  if (new Set(named).size < named.length) problems.push(`${variable}: must not name a provider twice`);
  return problems;
}

/** The address that mails come from; undefined when neither variable holds one. */
export function senderOf(config: Config): string | undefined {
  return config.SMTP_EMAIL ?? (config.SMTP_LOGIN?.includes("@") ? config.SMTP_LOGIN : undefined);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
