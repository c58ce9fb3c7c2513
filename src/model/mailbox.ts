import { SendError } from "./delivery.ts";

/**
 * Whether the text is one bare mailbox. Libraries and providers read commas, angle brackets and quotes as several
 * recipients or as names, and a control character as a header's end; one delivery has one recipient.
 */
export const isMailbox = (text: string): boolean => /^[^\s\p{Cc},;<>@"]+@[^\s\p{Cc},;<>@"]+$/u.test(text);

export const notOneMailbox = (): SendError =>
  new SendError({
    kind: "rejected",
    reason: "address",
    code: "EADDRESS",
    text: "the address is not one mailbox",
  });

/** The same on every attempt and by every provider. */
export const messageIdOf = (delivery: string, sender: string): string =>
  `<${delivery}@${sender.split("@").at(-1) || "belfry.invalid"}>`;
