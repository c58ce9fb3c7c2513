import { randomUUID } from "node:crypto";
import { encode as toBase64, wrap as wrapBase64 } from "nodemailer/lib/base64";
import MimeNode from "nodemailer/lib/mime-node";
import { encode as toQuotedPrintable, wrap as wrapQuotedPrintable } from "nodemailer/lib/qp";

interface Mailbox {
  address: string;
  name: string;
}

export interface Mail {
  from: Mailbox;
  to: Mailbox;
  replyTo?: Mailbox | undefined;
  messageId: string;
  subject: string;
  text: string;
  html?: string | undefined;
  headers: Record<string, string>;
}

const spell: (name: string) => string = Reflect.get(MimeNode.prototype, "_normalizeHeaderKey");
const spellings = new Map<string, string>();
/** Templates may have headers of their own, so the number of names is not known. */
const keptSpellings = 500;

/**
 * nodemailer spells a header's name with three regular expressions, thirty times a mail: a twentieth of the mail's processor
 * time. The method is nodemailer's own; if an upgrade renames it, mails take longer, and a test says so.
 */
class Part extends MimeNode {
  _normalizeHeaderKey(name: string): string {
    const known = spellings.get(name);
    if (known !== undefined) return known;
    const spelling = spell(name);
    if (spellings.size < keptSpellings) spellings.set(name, spelling);
    return spelling;
  }
}

/** The parts and headers of a mail. nodemailer encodes them, and converts the domains of the addresses. */
export function composed({ from, to, replyTo, messageId, subject, text, html, headers }: Mail): MimeNode {
  // nodemailer's own boundary asks the system for random bytes, once for each part.
  const own = { baseBoundary: randomUUID() };
  const all = { "text/plain; charset=utf-8": text, "text/html; charset=utf-8": html };
  const parts = Object.entries(all).filter(([, content]) => content) as Array<[string, string]>;
  const [[type, content] = ["text/plain; charset=utf-8", ""]] = parts;
  const root = new Part(parts.length > 1 ? "multipart/alternative" : type, own);
  if (parts.length > 1)
    for (const [each, said] of parts) root.appendChild(new Part(each, own).setContent(said));
  else root.setContent(content);
  root.addHeader(headers);
  root.setHeader({
    From: from,
    To: to,
    ...(replyTo && { "Reply-To": replyTo }),
    Subject: subject,
    "Message-ID": messageId,
  });
  return root.setEnvelope({ from: from.address, to: [to.address] });
}

/**
 * The message as nodemailer's `build()` writes it. nodemailer passes each part through six streams, for attachments of any
 * size: that takes half of the processor time of a mail (decision 024).
 */
export function mimeOf(message: MimeNode): Buffer {
  const text = partOf(message);
  return Buffer.from(text.endsWith("\n") ? text : `${text}\r\n`);
}

function partOf(node: MimeNode): string {
  // First: it decides the boundary and the encoding.
  const headers = node.buildHeaders();
  if (!node.multipart) return `${headers}\r\n\r\n${encoded(node)}`;
  const parts = node.childNodes.map((child) => `--${node.boundary}\r\n${partOf(child)}\r\n`);
  return `${headers}\r\n\r\n${parts.join("")}--${node.boundary}--\r\n`;
}

function encoded(node: MimeNode): string {
  const content = String(node.content ?? "");
  // As `buildHeaders` wrote it.
  switch (node.getHeader("Content-Transfer-Encoding")) {
    case "quoted-printable":
      return wrapQuotedPrintable(toQuotedPrintable(content));
    case "base64":
      return wrapBase64(toBase64(content));
    default:
      return content;
  }
}
