import fc from "fast-check";
import { simpleParser } from "mailparser";
import MailComposer from "nodemailer/lib/mail-composer";
import MimeNode from "nodemailer/lib/mime-node";
import { expect, test } from "vitest";
import { composed, type Mail, mimeOf } from "../../src/channels/email/mime.ts";

const line = fc.oneof(
  fc.string({ maxLength: 120 }),
  fc.string({ unit: "binary", maxLength: 120 }),
  fc.constantFrom(
    "",
    ".",
    "--",
    "From here",
    "=3D",
    "é",
    "日本語のお知らせ",
    "word ".repeat(40),
    "x".repeat(1_200),
  ),
  // Whitespace at the end of a line.
  fc.string({ maxLength: 20 }).map((text) => `${text} \t`),
);
const text = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 12 }).chain((lines) =>
  fc.boolean().map((ends) => {
    const all = lines.map(([one, end]) => one + end).join("");
    return ends ? all : all.replace(/\r?\n$/, "");
  }),
);

/** Soft line breaks may be in other places, and the boundary and the date are each one's own. */
async function said(message: Buffer) {
  const { headerLines, text, html } = await simpleParser(message, {
    skipHtmlToText: true,
    skipTextToHtml: true,
  });
  const lines = headerLines.filter(({ key }) => key !== "date").map(({ line }) => line);
  return { lines: lines.map((one) => one.replace(/boundary=.*/, "")), text, html };
}

async function expectSame(mail: Mail): Promise<void> {
  const message = composed(mail);
  const ours = mimeOf(message);
  const { headers, ...rest } = mail;
  const theirs = new MailComposer({
    ...rest,
    headers,
    envelope: { from: mail.from, to: [mail.to] },
  }).compile();
  expect(await said(ours)).toStrictEqual(await said(await theirs.build()));
  expect(message.getEnvelope()).toStrictEqual(theirs.getEnvelope());
  const lengths = ours
    .toString()
    .split("\r\n")
    .map((one) => Buffer.byteLength(one));
  expect(Math.max(...lengths)).toBeLessThanOrEqual(998);
}

const mail: Mail = {
  from: { address: "belfry@example.com", name: "Belfry" },
  to: { address: "anna@example.com", name: "" },
  messageId: "<64b000000000000000000001@example.com>",
  subject: "Hello",
  text: "",
  headers: { "Auto-Submitted": "auto-generated" },
};

test("a message says what it says when nodemailer composes it and writes it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        text,
        html: fc.option(text, { nil: undefined }),
        subject: fc.string({ unit: "binary", maxLength: 200 }),
        name: fc.string({ unit: "binary", maxLength: 40 }),
        to: fc.constantFrom("anna@example.com", "anna@müller.example", "Anna.B+c@EXAMPLE.com"),
        replyTo: fc.option(fc.constant({ address: "help@example.com", name: "" }), { nil: undefined }),
        listHeader: fc.string({ unit: "grapheme-ascii", maxLength: 300 }),
        headerName: fc.constantFrom("x-campaign", "X-CAMPAIGN", "list-id", "x-otp-token", "Feedback-id"),
      }),
      async ({ name, to, listHeader, headerName, ...rest }) => {
        // nodemailer names no charset for a message without a text.
        fc.pre(rest.text !== "" || Boolean(rest.html));
        await expectSame({
          ...mail,
          ...rest,
          from: { ...mail.from, name },
          to: { address: to, name: "" },
          headers: { ...mail.headers, "List-Unsubscribe": listHeader, [headerName]: "spring" },
        });
      },
    ),
    { numRuns: 300 },
  );
});

test("nodemailer asks its nodes how to spell a header's name, so a kept answer is used", () => {
  const asked: string[] = [];
  class Asked extends MimeNode {
    _normalizeHeaderKey(name: string): string {
      asked.push(name);
      return name;
    }
  }
  new Asked("text/plain").setHeader({ Subject: "Hello" }).buildHeaders();
  expect(asked).toContain("Subject");
});

test("a long message says what it says when nodemailer composes it and writes it", async () => {
  for (const word of ["word ", "é ", "日本", "x", "line of text.\r\n"])
    for (const length of [65_530, 200_000]) {
      const long = word.repeat(Math.ceil(length / word.length)).slice(0, length);
      await expectSame({ ...mail, text: long, html: long });
    }
});
