import { isIP } from "node:net";
import type { Config } from "./config.ts";
import { readPublicKey } from "./core/tokens.ts";

/** `wrong`: variables that are told as wrong already; nothing is concluded from their absence. */
export function contradictions(config: Config, wrong: Set<string>): string[] {
  const problems: string[] = [];
  const keyless = !config.API_KEYS && !wrong.has("API_KEYS");
  if (!isLoopback(config.HOST) && keyless && config.AUTH === "on")
    problems.push(
      `HOST: ${config.HOST} can be reached by others and no key is asked for: set API_KEYS, or AUTH=off if that is meant`,
    );
  if (config.DB_URI && !/^mongodb(\+srv)?:\/\/[^/]+/.test(config.DB_URI))
    problems.push("DB_URI: must begin with mongodb:// or mongodb+srv:// and name a host");
  if (config.SMTP_HOST && !senderOf(config) && !wrong.has("SMTP_EMAIL"))
    problems.push("SMTP_EMAIL: is the sender's address; set it, or an address as SMTP_LOGIN");
  if (config.SMTP_PASSWORD && !config.SMTP_LOGIN)
    problems.push("SMTP_LOGIN: is missing beside SMTP_PASSWORD");
  if (config.SMTP_LOGIN && !config.SMTP_HOST && !wrong.has("SMTP_HOST"))
    problems.push("SMTP_HOST: is missing beside SMTP_LOGIN");
  if (config.SMTP_PORT === 465 && config.SMTP_TLS === "none")
    problems.push("SMTP_TLS: none does not go with SMTP_PORT 465, which is TLS from the start");
  problems.push(
    ...missingParts(config, ["MAILGUN_API_KEY", "MAILGUN_DOMAIN"], ["MAILGUN_SIGNING_KEY", "MAILGUN_RATE"]),
    ...missingParts(config, ["TWILIO_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER"], ["TWILIO_RATE"]),
  );
  if (config.TWILIO_SID && !config.TWILIO_SID.startsWith("AC"))
    problems.push("TWILIO_SID: must be the account's, which begins with AC");
  problems.push(
    ...orderProblems(config, "EMAIL_PROVIDERS", { smtp: "SMTP_HOST", mailgun: "MAILGUN_API_KEY" }),
    ...orderProblems(config, "SMS_PROVIDERS", { twilio: "TWILIO_SID" }),
    ...webhookProblems(config),
    ...listenerProblems(config),
  );
  return problems;
}

function webhookProblems({ WEBHOOK_URL, WEBHOOK_SECRET, WEBHOOK_ALLOW_HTTP }: Config): string[] {
  if ((WEBHOOK_URL === undefined) !== (WEBHOOK_SECRET === undefined))
    return ["WEBHOOK_URL: goes with WEBHOOK_SECRET; set both or neither"];
  if (WEBHOOK_URL === undefined) return [];
  const problems: string[] = [];
  const schemes = WEBHOOK_ALLOW_HTTP ? ["https:", "http:"] : ["https:"];
  if (!URL.canParse(WEBHOOK_URL) || !schemes.includes(new URL(WEBHOOK_URL).protocol))
    problems.push(
      `WEBHOOK_URL: must be a URL that begins with ${schemes.map((one) => `${one}//`).join(" or ")}`,
    );
  if ((WEBHOOK_SECRET?.length ?? 0) > 2) problems.push("WEBHOOK_SECRET: holds two secrets at most");
  return problems;
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
      "TRUST_PROXY: must name your own proxies, not everybody: any caller could claim any address",
    );
  return problems;
}

/** A provider is configured whole or not at all. */
function missingParts(config: Config, needed: Array<keyof Config>, others: Array<keyof Config>): string[] {
  const given = [...needed, ...others].filter((name) => config[name] !== undefined);
  if (given.length === 0) return [];
  const missing = needed.filter((name) => config[name] === undefined);
  return missing.map((name) => `${name}: is missing beside ${given.join(", ")}`);
}

/** `needs`: the variable without which a provider is not configured. */
function orderProblems(
  config: Config,
  variable: "EMAIL_PROVIDERS" | "SMS_PROVIDERS",
  needs: Record<string, keyof Config>,
): string[] {
  const named = config[variable] ?? [];
  const problems = named.flatMap((name) => {
    const needed = needs[name];
    const missing = needed !== undefined && config[needed] === undefined;
    return missing ? [`${variable}: ${name} is named but its variables are not set`] : [];
  });
  if (new Set(named).size < named.length) problems.push(`${variable}: names a provider twice`);
  return problems;
}

/** The address that mails come from; undefined when neither variable holds one. */
export function senderOf(config: Config): string | undefined {
  return config.SMTP_EMAIL ?? (config.SMTP_LOGIN?.includes("@") ? config.SMTP_LOGIN : undefined);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
