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
  const root = new MimeNode(html === undefined ? plain : "multipart/alternative", { baseBoundary: id });
  const headers: object = { from, to: { name: "", address: to }, subject, "message-id": messageId };
  root.setHeader(headers as Record<string, string>);
  if (html === undefined) {
    const { encoding, content } = encoded(text);
    root.setHeader("Content-Transfer-Encoding", encoding);
    return Buffer.from(`${root.buildHeaders()}\r\n\r\n${content}`);
  }
  // The boundary comes to be with the headers.
  const head = root.buildHeaders();
  const begin = `\r\n--${root.boundary}`;
  const parts = [part(plain, text), part(markup, html)].map((one) => `${begin}\r\n${one}`);
  return Buffer.from(`${head}\r\n${parts.join("")}${begin}--`);
}

const plain = "text/plain; charset=utf-8";
const markup = "text/html; charset=utf-8";

/** Its two headers are written by hand: a node's own took a twentieth of a worker's time. */
function part(type: string, text: string): string {
  const { encoding, content } = encoded(text);
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${content}`;
}

function encoded(text: string): { encoding: string; content: string } {
  const lines = text.replace(/\r\n?|\n/g, "\r\n");
  const node = new MimeNode(plain, { baseBoundary: "unused" });
  node.setContent(lines);
  const encoding = node.getTransferEncoding();
  if (encoding === "quoted-printable") return { encoding, content: wrapQuoted(encodeQuoted(lines)) };
  if (encoding === "base64") return { encoding, content: wrapBase64(encodeBase64(lines)) };
  return { encoding: encoding || "7bit", content: lines };
}
