import { expect, test } from "vitest";
import { domainOf, isMailbox, needsSmtpUtf8 } from "../../src/model/mailbox.ts";

test.each([
  "ada@mail.example",
  "a..b@example.com",
  "o'neil+tag@y.co",
  "a@localhost",
  "a@b_c.example",
  "a@[127.0.0.1]",
  "jörg@example.com",
  "ada@bücher.example",
  "用户@例子.公司",
])("%j is one mailbox", (address) => {
  expect(isMailbox(address)).toBe(true);
});

test.each([
  ["a comment", "evil@x.yz(.corp.com)"],
  ["a comment before the @", "a(c)@b.cc"],
  ["a group", "grp:evil@x.yz"],
  ["a closed group", "grp:evil@x.yz;"],
  ["a zero-width space", "a@b.cc\u200b"],
  ["a soft hyphen", "a\u00adb@b.cc"],
  ["a direction mark", "a@\u202eb.cc"],
  ["a Hangul filler", "a\u3164@b.cc"],
  ["a Braille blank", "a\u2800@b.cc"],
  ["a word joiner", "a\u2060b@b.cc"],
  ["a byte order mark", "\ufeffa@b.cc"],
  ["a variation selector", "a\ufe0f@b.cc"],
  ["a line break", "a@b.cc\r\nBcc: c@d.ee"],
  ["a NUL", "a\0@b.cc"],
  ["a no-break space", "a\u00a0b@b.cc"],
  ["half a character", "a\ud800@b.cc"],
  ["a name", "Ada <a@b.cc>"],
  ["two addresses", "a@b.cc,d@e.ff"],
  ["a quoted part", '"a b"@b.cc'],
  ["a backslash", "a\\@b.cc"],
  ["a percent sign in the domain", "a@b%c.dd"],
  ["a wide parenthesis in the domain", "a@x.yz（.corp.com）"],
  ["two @", "a@b@c.dd"],
  ["no domain", "a@"],
  ["nothing before the @", "@b.cc"],
  ["255 characters", `${"a".repeat(250)}@b.cc`],
])("an address with %s is none", (_name, address) => {
  expect(isMailbox(address)).toBe(false);
});

test("a domain can be written in ASCII, a local part cannot", () => {
  expect(domainOf("ada@bücher.example")).toBe("xn--bcher-kva.example");
  expect(needsSmtpUtf8("ada@bücher.example")).toBe(false);
  expect(needsSmtpUtf8("jörg@example.com")).toBe(true);
});
