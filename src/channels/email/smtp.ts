import { isIP } from "node:net";
import { inGroup, type SettingsOf } from "../../config/variable.ts";
import { domainOf, needsSmtpUtf8 } from "../../model/mailbox.ts";
import { missingParts } from "../missing-parts.ts";
import type { Check, ProviderModule, Sender } from "../module.ts";
import { email } from "./channel.ts";
import { type DkimOptions, readDkimKey } from "./dkim.ts";

const mail = inGroup(email.label);

const variables = {
  SMTP_HOST: mail.host(
    {
      description:
        "Mail server. Without an e-mail provider, mails are captured and shown at GET /v1/captured.",
    },
    "SMTP_PORT",
  ),
  SMTP_PORT: mail.integer(1, 65535, {
    description: "465 uses TLS from the start; other ports use STARTTLS when the server offers it.",
    default: "587",
  }),
  SMTP_LOGIN: mail.text({ description: "User name at the mail server." }),
  SMTP_PASSWORD: mail.text({ description: "Password at the mail server.", secret: true }),
  SMTP_EMAIL: mail.mailbox(
    {
      description: "Sender's address. The default is `SMTP_LOGIN` when that is an address.",
    },
    "alone; its name belongs into SMTP_NAME",
  ),
  SMTP_NAME: mail.text({ description: "Sender's name.", default: "Belfry" }),
  SMTP_CONNECTIONS: mail.integer(1, 1_000, {
    description: "Most connections to the mail server, per process.",
    default: "16",
  }),
  SMTP_RATE: mail.rate({ description: "Most mails sent through SMTP, per process." }),
  SMTP_TLS: mail.choice(["auto", "required", "none"], {
    description: "`required` sends only over TLS; `none` never uses STARTTLS.",
    default: "auto",
  }),
  SMTP_EHLO: mail.text(
    { description: "Name that Belfry gives in EHLO. The default is the sender's domain." },
    "host name, or an IP address in brackets",
  ),
  SMTP_OAUTH_TOKEN_URL: mail.url(
    {
      description:
        "Token server for a login with OAuth2 (XOAUTH2) instead of a password. `SMTP_LOGIN` is the mailbox.",
    },
    ["https", "http"],
  ),
  SMTP_OAUTH_CLIENT_ID: mail.text({ description: "Client id at the token server." }),
  SMTP_OAUTH_CLIENT_SECRET: mail.text({ description: "Client secret at the token server.", secret: true }),
  SMTP_OAUTH_REFRESH_TOKEN: mail.text({
    description: "Refresh token. Without it Belfry uses the client credentials flow.",
    secret: true,
  }),
  SMTP_OAUTH_SCOPE: mail.text({
    description: "Scope to ask for, such as https://outlook.office365.com/.default.",
  }),
  SMTP_DKIM_DOMAIN: mail.domain({
    description: "Domain that signs mails with DKIM. It should be the sender's.",
  }),
  SMTP_DKIM_SELECTOR: mail.checked(
    { description: "DKIM selector: the public key is the TXT record <selector>._domainkey.<domain>." },
    "name",
    (text) =>
      /^[a-z\d]([a-z\d_-]*[a-z\d])?(\.[a-z\d]([a-z\d_-]*[a-z\d])?)*$/i.test(text)
        ? undefined
        : "must be a name of letters, digits and hyphens, such as belfry2026",
  ),
  SMTP_DKIM_PRIVATE_KEY: mail.lines({ description: "Private RSA key for DKIM.", secret: true }, "PEM"),
};

export type SmtpSettings = SettingsOf<typeof variables>;

export const smtp = {
  name: "smtp",
  variables,
  key: "SMTP_HOST",
  rate: "SMTP_RATE",
  unreachable: "Check SMTP_HOST, SMTP_PORT and SMTP_TLS, and that this machine may connect there.",
  problems({ config, isSet, wrong }: Check<SmtpSettings>) {
    const problems: string[] = [];
    if (isSet("SMTP_HOST") && !senderAddress(config) && !wrong.has("SMTP_EMAIL"))
      problems.push("SMTP_EMAIL: must be set to the sender's address, unless SMTP_LOGIN is an address");
    if (isSet("SMTP_PASSWORD") && !isSet("SMTP_LOGIN"))
      problems.push("SMTP_LOGIN: must be set when SMTP_PASSWORD is set");
    if (isSet("SMTP_LOGIN") && !isSet("SMTP_HOST"))
      problems.push("SMTP_HOST: must be set when SMTP_LOGIN is set");
    if (config.SMTP_PORT === 465 && config.SMTP_TLS === "none")
      problems.push("SMTP_TLS: must not be none with SMTP_PORT 465, which uses TLS from the start");
    const { SMTP_EHLO, SMTP_EMAIL } = config;
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
    problems.push(...dkimProblems(config, isSet));
    if (!isSet("SMTP_OAUTH_TOKEN_URL")) return problems;
    if (!isSet("SMTP_LOGIN"))
      problems.push("SMTP_LOGIN: must be set to the mailbox when SMTP_OAUTH_TOKEN_URL is set");
    if (isSet("SMTP_PASSWORD"))
      problems.push("SMTP_PASSWORD: must not be set beside SMTP_OAUTH_TOKEN_URL: remove one of them");
    if (!isSet("SMTP_OAUTH_CLIENT_SECRET") && !isSet("SMTP_OAUTH_REFRESH_TOKEN"))
      problems.push("SMTP_OAUTH_CLIENT_SECRET: must be set when SMTP_OAUTH_REFRESH_TOKEN is not");
    return problems;
  },
  async open(config: SmtpSettings) {
    const { createSmtpProvider } = await import("./smtp-transport.ts");
    return createSmtpProvider({
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
      from: senderOf(config),
      ehlo: config.SMTP_EHLO,
      tls: config.SMTP_TLS,
      connections: config.SMTP_CONNECTIONS,
      dkim: dkimOf(config),
    });
  },
} satisfies ProviderModule;

/** The sender of every mail. `fallback`: its address when no variable has one. */
export function senderOf(config: SmtpSettings, fallback = "belfry@localhost"): Sender {
  return { address: senderAddress(config) ?? fallback, name: config.SMTP_NAME };
}

/** Undefined when neither variable holds an address. */
export const senderAddress = ({ SMTP_EMAIL, SMTP_LOGIN }: SmtpSettings): string | undefined =>
  SMTP_EMAIL ?? (SMTP_LOGIN?.includes("@") ? SMTP_LOGIN : undefined);

/** Undefined when mails are not signed. */
export function dkimOf(config: SmtpSettings): DkimOptions | undefined {
  const { SMTP_DKIM_DOMAIN: domain, SMTP_DKIM_SELECTOR: selector, SMTP_DKIM_PRIVATE_KEY: pem } = config;
  if (domain === undefined || selector === undefined || pem === undefined) return undefined;
  return { domain: domainOf(domain) ?? domain, selector, key: readDkimKey(pem) };
}

function dkimProblems({ SMTP_DKIM_PRIVATE_KEY: pem }: SmtpSettings, isSet: Check["isSet"]): string[] {
  const names = ["SMTP_DKIM_DOMAIN", "SMTP_DKIM_SELECTOR", "SMTP_DKIM_PRIVATE_KEY"];
  const problems = missingParts(isSet, names, []);
  if (names.some(isSet) && !isSet("SMTP_HOST"))
    problems.push("SMTP_HOST: must be set when SMTP_DKIM_DOMAIN is set: other providers sign by themselves");
  try {
    if (pem !== undefined) readDkimKey(pem);
  } catch (error) {
    problems.push(`SMTP_DKIM_PRIVATE_KEY: ${(error as Error).message}`);
  }
  return problems;
}

/** RFC 5321 4.1.3: a name, or an address literal. */
function isEhloName(name: string): boolean {
  const literal = /^\[(?:IPv6:)?(.+)\]$/i.exec(name)?.[1];
  if (literal !== undefined) return isIP(literal) !== 0;
  return name.length <= 253 && isIP(name) === 0 && /^[a-z\d_]([\w-]*\w)?(\.\w([\w-]*\w)?)*$/i.test(name);
}
