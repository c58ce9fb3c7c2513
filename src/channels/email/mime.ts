import { encode as toBase64, wrap as wrapBase64 } from "nodemailer/lib/base64";
import type MimeNode from "nodemailer/lib/mime-node";
import { encode as toQuotedPrintable, wrap as wrapQuotedPrintable } from "nodemailer/lib/qp";

/**
 * The message that nodemailer composed, as its `build()` writes it, for content that is text. nodemailer passes each part
 * through six streams, for attachments of any size: that takes two thirds of the processor time of a mail (decision 024).
 */
export const mimeOf = (message: MimeNode): Buffer => {
  const text = partOf(message);
  return Buffer.from(text.endsWith("\n") ? text : `${text}\r\n`);
};

function partOf(node: MimeNode): string {
  // First: it decides the boundary and the encoding.
  const headers = node.buildHeaders();
  if (!node.multipart) return `${headers}\r\n\r\n${encoded(node)}`;
  const parts = node.childNodes.map((child) => `--${node.boundary}\r\n${partOf(child)}\r\n`);
  return `${headers}\r\n\r\n${parts.join("")}--${node.boundary}--\r\n`;
}

function encoded(node: MimeNode): string {
  const content = node.content ?? "";
  if (typeof content !== "string") throw new TypeError("a mail's parts are text");
  switch (node.getTransferEncoding()) {
    case "quoted-printable":
      return wrapQuotedPrintable(toQuotedPrintable(content));
    case "base64":
      return wrapBase64(toBase64(content));
    default:
      return content;
  }
}
