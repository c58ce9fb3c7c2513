import fc from "fast-check";
import { simpleParser } from "mailparser";
import MailComposer from "nodemailer/lib/mail-composer";
import { expect, test } from "vitest";
import { mimeOf } from "../../src/channels/email/mime.ts";

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

/** Soft line breaks may be in other places. */
async function expectSame(ours: Buffer, theirs: Buffer): Promise<void> {
  const read = async (message: Buffer) => {
    const { headerLines, text, html } = await simpleParser(message, {
      skipHtmlToText: true,
      skipTextToHtml: true,
    });
    return { headerLines, text, html };
  };
  expect(await read(ours)).toStrictEqual(await read(theirs));
  const lengths = ours
    .toString()
    .split("\r\n")
    .map((one) => Buffer.byteLength(one));
  expect(Math.max(...lengths)).toBeLessThanOrEqual(998);
}

test("a message says what it says when nodemailer's own streams write it", async () => {
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.option(text, { nil: undefined }),
      fc.string({ unit: "binary", maxLength: 200 }),
      async (plain, html, subject) => {
        const message = new MailComposer({
          from: { address: "belfry@example.com", name: subject.slice(0, 40) },
          to: { address: "anna@example.com", name: "" },
          subject,
          text: plain,
          ...(html !== undefined && { html }),
          headers: { "Auto-Submitted": "auto-generated" },
        }).compile();
        await expectSame(mimeOf(message), await message.build());
      },
    ),
    { numRuns: 300 },
  );
});

test("a long message says what it says when nodemailer's own streams write it", async () => {
  for (const word of ["word ", "é ", "日本", "x", "line of text.\r\n"])
    for (const length of [65_530, 200_000]) {
      const plain = word.repeat(Math.ceil(length / word.length)).slice(0, length);
      const message = new MailComposer({ from: "a@example.com", text: plain, html: plain }).compile();
      await expectSame(mimeOf(message), await message.build());
    }
});
