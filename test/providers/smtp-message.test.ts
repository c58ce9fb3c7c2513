import fc from "fast-check";
import nodemailer from "nodemailer";
import { expect, test } from "vitest";
import { smtpMessage } from "../../src/providers/smtp-message.ts";

const own = {
  id: "64c000000000000000000001",
  from: { address: "belfry@belfry.example", name: "Bélfry, Inc." },
  to: "ada@bücher.example",
  messageId: "<64c000000000000000000001@belfry.example>",
};

/** What nodemailer would write, with the line breaks of the wire. */
async function byNodemailer(mail: { subject: string; text: string; html?: string }): Promise<string> {
  const transport = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const options = { ...own, to: { name: "", address: own.to }, ...mail, baseBoundary: own.id };
  const { message } = await transport.sendMail(options);
  return comparable(String(message));
}

/** The moment differs; the last line break is added on the way out. */
const comparable = (message: string) =>
  message.replace(/^Date: .*\r\n/m, "Date: now\r\n").replace(/(\r\n)+$/, "");

test.each([
  ["plain and short", { subject: "Hello", text: "new_login\n", html: "<p>new_login</p>\n" }],
  ["text alone", { subject: "Hello", text: "one\n.\n..two\n" }],
  [
    "long lines",
    { subject: "x".repeat(120), text: "word ".repeat(300), html: `<p>${"x".repeat(2_000)}</p>` },
  ],
  ["mostly Latin", { subject: "Grüße aus Köln", text: "Grüße  \r\n\r\naus Köln\n", html: "<p>Köln</p>" }],
  ["not Latin", { subject: "日本語の件名", text: "日本語の本文", html: "<p>日本語</p>" }],
  ["a subject of many words", { subject: "ä ö ü ".repeat(80).trim(), text: "x", html: "<i>x</i>" }],
])("a mail is written as nodemailer would write it: %s", async (_name, mail) => {
  const written = comparable(smtpMessage({ ...own, ...mail }).toString());
  expect(written).toContain("Date: now");
  expect(written).toBe(await byNodemailer(mail));
});

test("whatever a mail says, its headers end where they should and no line is too long for a mail server", () => {
  const words = fc.string({ unit: "grapheme", maxLength: 300 });
  fc.assert(
    fc.property(words, words, words, (subject, text, html) => {
      const [head, ...rest] = smtpMessage({ ...own, subject, text, html })
        .toString()
        .split("\r\n\r\n") as [string, ...string[]];
      const names = head.split(/\r\n(?![ \t])/).map((line) => line.slice(0, line.indexOf(":")));
      const allowed = ["From", "To", "Subject", "Message-ID", "Date", "MIME-Version", "Content-Type"];
      expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
      for (const line of [head, ...rest].join("\r\n\r\n").split("\r\n"))
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
    }),
  );
});
