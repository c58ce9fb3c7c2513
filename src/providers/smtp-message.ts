import { encode as encodeBase64, wrap as wrapBase64 } from "nodemailer/lib/base64";
import MimeNode from "nodemailer/lib/mime-node";
import { encode as encodeQuoted, wrap as wrapQuoted } from "nodemailer/lib/qp";

export interface SmtpMessage {
  /** The delivery's, hexadecimal: parts the parts of a mail, and was not known to whoever wrote them. */
  id: string;
  from: { address: string; name: string };
  to: string;
  messageId: string;
  subject: string;
  text: string;
  html?: string | undefined;
}

/**
 * A mail as it goes over the wire, with the headers and encodings that nodemailer chooses. Left to itself it writes the
 * same through a dozen streams and in ten packets: a mail took 215 µs of processor time, in one piece 145.
 */
export function smtpMessage({ id, from, to, messageId, subject, text, html }: SmtpMessage): Buffer {
  // Without a name for the boundary each node would fetch random bytes.
  const shared = { baseBoundary: id };
  const root = new MimeNode(html === undefined ? plain : "multipart/alternative", shared);
  const headers: object = { from, to: { name: "", address: to }, subject, "message-id": messageId };
  root.setHeader(headers as Record<string, string>);
  if (html === undefined) return Buffer.from(whole(root, text));
  const head = root.buildHeaders();
  const parts = [whole(root.createChild(plain, shared), text), whole(root.createChild(markup, shared), html)];
  const begin = `\r\n--${root.boundary}`;
  return Buffer.from(`${head}\r\n${parts.map((part) => `${begin}\r\n${part}`).join("")}${begin}--`);
}

const plain = "text/plain; charset=utf-8";
const markup = "text/html; charset=utf-8";

/** A node without children: its headers and its encoded content. */
function whole(node: MimeNode, content: string): string {
  const lines = content.replace(/\r\n?|\n/g, "\r\n");
  node.setContent(lines);
  const head = node.buildHeaders();
  const encoding = node.getTransferEncoding();
  if (encoding === "quoted-printable") return `${head}\r\n\r\n${wrapQuoted(encodeQuoted(lines))}`;
  if (encoding === "base64") return `${head}\r\n\r\n${wrapBase64(encodeBase64(lines))}`;
  return `${head}\r\n\r\n${lines}`;
}
