import { Resolver } from "node:dns/promises";
import { bitsOf, goodBits, publicPart } from "../channels/email/dkim.ts";
import { dkimOf, type SmtpSettings, senderOf } from "../channels/email/smtp.ts";
import { domainOf } from "../model/mailbox.ts";
import type { Finding } from "./finding.ts";
import { watched } from "./terminal.ts";

const resolver = new Resolver({ timeout: 3_000, tries: 1 });

/** Compares the DNS record of the DKIM signature with our key. */
export async function* examineDkim(
  config: SmtpSettings,
  resolveTxt: (name: string) => Promise<string[][]> = (name) => resolver.resolveTxt(name),
): AsyncGenerator<Finding> {
  const dkim = dkimOf(config);
  if (!dkim) return;
  const what = "email: DKIM";
  const name = `${dkim.selector}._domainkey.${dkim.domain}`;
  const record = `v=DKIM1; k=rsa; p=${publicPart(dkim.key)}`;
  const advice = `Publish the TXT record ${name}: ${record}`;
  try {
    const found = (await watched("asking DNS", resolveTxt(name))).map((parts) => parts.join(""));
    const keys = found.flatMap((one) => /(?:^|;)\s*p\s*=([^;]*)/.exec(one)?.[1]?.replace(/\s/g, "") ?? []);
    yield keys.includes(publicPart(dkim.key))
      ? { verdict: "ok", what, text: `${name} has our public key` }
      : { verdict: "bad", what, text: `${name} has another key: receivers reject the signature`, advice };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    yield code === "ENOTFOUND" || code === "ENODATA"
      ? { verdict: "bad", what, text: `there is no TXT record ${name}: the signature counts as none`, advice }
      : { verdict: "note", what, text: `not checked: DNS does not answer for ${name} (${code})` };
  }
  if (bitsOf(dkim.key) < goodBits)
    yield {
      verdict: "note",
      what,
      text: `the key has ${bitsOf(dkim.key)} bits`,
      advice: `Use an RSA key of ${goodBits} bits.`,
    };
  const sender = (domainOf(senderOf(config).address) ?? "").toLowerCase();
  const signer = dkim.domain.toLowerCase();
  if (`.${sender}`.endsWith(`.${signer}`) || `.${signer}`.endsWith(`.${sender}`)) return;
  yield {
    verdict: "note",
    what,
    text: `${signer} signs, and the sender is at ${sender}: DMARC does not count the signature`,
    advice: "Set SMTP_DKIM_DOMAIN to the sender's domain.",
  };
}
