import { SendError } from "./delivery.ts";

/** RFC 5322 atext with dots, and the letters beyond ASCII of RFC 6531. */
const localPart = /^[\w.!#$%&'*+/=?^`{|}~\P{ASCII}-]+$/u;
const domainName = /^[\w.\P{ASCII}-]+$/u;
const domainLiteral = /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|ipv6:[\da-f:.]+)\]$/i;
/** Characters that a screen does not show: controls, format characters, fillers, blanks, and code points without a character. */
const unseen = /[\s\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}\u2800]/u;

/**
 * Whether the text is one bare mailbox. Libraries and servers read commas, colons, angle brackets, quotes and
 * parentheses as several recipients, groups, names or comments, and so may send to another address than the one shown;
 * a control character may end a header. One delivery has one recipient.
 */
export function isMailbox(text: string): boolean {
  const [local = "", domain = "", ...rest] = text.split("@");
  if (rest.length > 0 || text.length > 254 || unseen.test(text) || !localPart.test(local)) return false;
  return domainLiteral.test(domain) || (domainName.test(domain) && asciiDomain(domain) !== undefined);
}

/** Whether only a server that offers SMTPUTF8 (RFC 6531) can be given the address: a domain can be written in ASCII. */
export const needsSmtpUtf8 = (address: string): boolean => /\P{ASCII}.*@/u.test(address);

export const notOneMailbox = (): SendError =>
  new SendError({
    kind: "rejected",
    reason: "address",
    code: "EADDRESS",
    text: "the address is not one mailbox",
  });

/** The same on every attempt and by every provider. */
export const messageIdOf = (delivery: string, sender: string): string =>
  `<${delivery}@${domainOf(sender) ?? "belfry.invalid"}>`;

/** The domain of an address, in ASCII. */
export const domainOf = (address: string): string | undefined => asciiDomain(address.split("@").at(-1) ?? "");

function asciiDomain(domain: string): string | undefined {
  if (!/\P{ASCII}/u.test(domain)) return domain || undefined;
  const host = URL.canParse(`http://${domain}`) ? new URL(`http://${domain}`).hostname : "";
  // Wide forms become ASCII here, a wide parenthesis too.
  return /^[\w.-]+$/.test(host) ? host : undefined;
}
