import { expect, test } from "vitest";
import { checkTexts } from "../../src/core/check-texts.ts";
import { createLocales } from "../../src/core/locales.ts";
import { createTypeRegistry } from "../../src/core/notification-types.ts";

function findingsOf(files: Record<string, unknown>, channels: object, defaultLocale?: string): string[] {
  const { locales, problems } = createLocales(files, defaultLocale);
  const types = { one: { inbox: true, channels } };
  const made = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, types, locales);
  expect([...problems, ...made.problems]).toEqual([]);
  return checkTexts(made.registry, locales).map(
    ({ isGap, language, text }) => `${isGap ? "gap" : "note"} ${language}: ${text}`,
  );
}
const sms = (text: string) => ({ sms: { text } });

test("a text that the default language lacks is a gap, wherever a template uses it", () => {
  const hidden =
    '{% if data.x %}{% for y in data.z %}{% assign v = "a.b" | t: x: 1 | upcase %}{% endfor %}{% else %}{{ "c" | t }}{% endif %}';
  const place = "has no text, and type one, sms text uses it";
  expect(findingsOf({ en: { c: "C" }, de: { a: { b: "{x}" }, c: "C" } }, sms(hidden))).toEqual([
    `gap en: a.b: ${place}`,
    "note en: lacks a.b",
  ]);
  expect(findingsOf({ de: { c: "C" } }, sms(hidden), "de-AT")).toEqual([`gap de-AT: a.b: ${place}`]);
  expect(findingsOf({}, sms('{{ "c" | t }}'))).toEqual([`gap en: c: ${place}`]);
});

test("a template for one language needs the text in that language's chain only", () => {
  const channels = { sms: { text: "x", locales: { de: { text: '{{ "a" | t }}' } } } };
  expect(findingsOf({ de: { a: "A" }, en: {} }, channels)).toEqual(["note en: lacks a"]);
  expect(findingsOf({ en: {} }, channels)).toEqual([
    "gap de: a: has no text, and type one, sms text uses it",
  ]);
});

test("texts that only another language has, and texts that no template uses, are notes", () => {
  const files = {
    en: { a: "A", b: "B", old: { x: "X" } },
    de: { a: "A" },
    pt: { a: "A" },
    "pt-BR": { b: "B", old: { y: "Y" } },
  };
  expect(findingsOf(files, sms('{{ "a" | t }} {{ "b" | t }}'))).toEqual([
    "note en: no template uses old.x",
    "note de: lacks b",
    "note pt: lacks b",
    "note pt-BR: no template uses old.y",
  ]);
});

test("a key that is put together uses all texts that begin like it, and a key from a value uses all", () => {
  const files = { en: { status: { sent: "S", lost: "L" }, other: "O" }, de: { status: { sent: "S" } } };
  expect(findingsOf(files, sms('{{ "status." | append: data.status | t }}'))).toEqual([
    "note en: no template uses other",
    "note de: lacks status.lost",
  ]);
  expect(findingsOf({ en: files.en }, sms("{{ data.key | t }}"))).toEqual([]);
});

test("a placeholder without a value, and plural forms without a count, are gaps in each language that has them", () => {
  const files = {
    en: { a: "{name}", likes: { one: "{count} {what}", other: "" } },
    de: { a: "{nmae} {name}", likes: { one: "x", other: "{count}" } },
  };
  expect(findingsOf(files, sms('{{ "a" | t: name: data.x }} {{ "likes" | t: what: 1 }}'))).toEqual([
    "gap de: a: type one, sms text gives no value for {nmae}",
    "gap en: likes: type one, sms text gives no value for {count}",
    "gap en: likes: type one, sms text gives no count, which chooses the plural form",
    "gap de: likes: type one, sms text gives no value for {count}",
    "gap de: likes: type one, sms text gives no count, which chooses the plural form",
  ]);
});

test("a plural form for everyday counts that is missing is a note; one for millions or fractions is not", () => {
  const likes = { one: "x", other: "y" };
  const use = sms('{{ "likes" | t: count: 1 }}');
  expect(findingsOf({ ru: { likes } }, use, "ru")).toEqual(["note ru: likes lacks the plural many, few"]);
  expect(findingsOf({ fr: { likes }, en: { likes } }, use)).toEqual([]);
  expect(findingsOf({ cs: { likes: { ...likes, few: "z" } } }, use, "cs")).toEqual([]);
});

test("a template that a type has for all or for one language, and lacks in another, is a note", () => {
  const email = {
    subject: "{{ 'subject' | t }}",
    text: "Text",
    locales: { de: { text: "Text", html: "<p>" }, "de-AT": {}, fr: { html: "<p>" } },
  };
  const texts = { subject: "S" };
  expect(findingsOf({ en: texts }, { email, sms: { text: "x" } })).toEqual([
    "note fr: type one, channel email: lacks a template for text",
  ]);
});
