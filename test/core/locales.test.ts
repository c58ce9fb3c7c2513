import { describe, expect, test } from "vitest";
import { createLocales } from "../../src/core/locales.ts";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import type { TemplateUser } from "../../src/core/templates.ts";

const general = { delayMs: 1, factor: 1, maxRetries: 0 };

/** Renders the e-mail of a type. */
function mailOf(
  files: Record<string, unknown>,
  email: Record<string, unknown>,
  data: Record<string, unknown> = {},
  defaultLocale?: string,
) {
  const { locales, problems } = createLocales(files, defaultLocale);
  const made = createTypeRegistry(general, { sample: { inbox: true, channels: { email } } }, locales);
  expect([...problems, ...made.problems]).toEqual([]);
  return (user?: TemplateUser) => made.registry.render("email", { key: "sample", at: 0, data }, user).parts;
}

/** What `t` writes for a user of this language. */
const translated = (
  files: Record<string, unknown>,
  expression: string,
  data: Record<string, unknown>,
  locale?: string,
) => mailOf(files, { text: `{{ ${expression} }}` }, data)({ locale }).text;

describe("the filter t", () => {
  const forms = {
    ru: {
      likes: { one: "{count} лайк", few: "{count} лайка", many: "{count} лайков", other: "{count} лайка" },
    },
    pl: {
      likes: {
        one: "{count} polubienie",
        few: "{count} polubienia",
        many: "{count} polubień",
        other: "{count} polubienia",
      },
    },
    ar: {
      likes: {
        zero: "لا إعجابات",
        one: "إعجاب واحد",
        two: "إعجابان",
        few: "{count} إعجابات",
        many: "{count} إعجابًا",
        other: "{count} إعجاب",
      },
    },
    ja: { likes: { other: "いいね{count}件" } },
    en: { likes: { one: "{count} like", other: "{count} likes" } },
  };

  test.each([
    ["ru", 1, "1 лайк"],
    ["ru", 21, "21 лайк"],
    ["ru", 3, "3 лайка"],
    ["ru", 11, "11 лайков"],
    ["ru", 0, "0 лайков"],
    ["ru", 1.5, "1.5 лайка"],
    ["pl", 1, "1 polubienie"],
    ["pl", 22, "22 polubienia"],
    ["pl", 12, "12 polubień"],
    ["pl", 21, "21 polubień"],
    ["ar", 0, "لا إعجابات"],
    ["ar", 1, "إعجاب واحد"],
    ["ar", 2, "إعجابان"],
    ["ar", 103, "103 إعجابات"],
    ["ar", 11, "11 إعجابًا"],
    ["ar", 100, "100 إعجاب"],
    ["ja", 1, "いいね1件"],
    ["en-GB", "1", "1 like"],
    ["en-GB", -1, "-1 like"],
    ["en", 0, "0 likes"],
    ["en", null, " likes"],
    ["en", "many", "many likes"],
    // The text is English, so its forms are.
    ["lt", 21, "21 likes"],
  ])("chooses the plural form in %s for %j: %s", (locale, n, expected) => {
    expect(translated(forms, '"likes" | t: count: data.n', { n }, locale)).toBe(expected);
  });

  test("takes the form other when the language's own form is missing, or no count is given", () => {
    const files = { ru: { likes: { one: "один", other: "другие" } } };
    expect(translated(files, '"likes" | t: count: 5', {}, "ru")).toBe("другие");
    expect(translated(files, '"likes" | t', {}, "ru")).toBe("другие");
  });

  test("finds nested texts by dotted keys, and puts in the named values", () => {
    const files = {
      en: {
        invoice: { subject: "Invoice {number} of {month_1}", other: "Others", "due.on": "Due {when}" },
        "plain.key": "{ a } {} {unknown} {{number}",
      },
    };
    files.en["plain.key"] = "{ a } {} {unknown} {number}{number}";
    const data = { number: "A-7", month: "May" };
    expect(translated(files, '"invoice.subject" | t: number: data.number, month_1: data.month', data)).toBe(
      "Invoice A-7 of May",
    );
    expect(translated(files, '"invoice.other" | t', data)).toBe("Others");
    expect(translated(files, '"invoice.due.on" | t: when: data.none', data)).toBe("Due ");
    expect(translated(files, '"plain.key" | t: number: 5', data)).toBe("{ a } {} {unknown} 55");
    expect(translated(files, "data.key | t", { key: "invoice.other" })).toBe("Others");
    expect(translated(files, '"invoice." | append: data.key | t | upcase', { key: "other" })).toBe("OTHERS");
  });

  test.each([
    ["pt-BR", "brasileiro"],
    ["pt-PT", "português"],
    ["pt_BR", "brasileiro"],
    ["PT-br", "brasileiro"],
    ["pt-BR-u-ca-gregory", "brasileiro"],
    ["zh-Hant-TW", "繁體"],
    ["zh-CN", "default"],
    ["fr", "default"],
    ["not a locale", "default"],
    ["__proto__", "default"],
    ["", "default"],
    [undefined, "default"],
  ])(
    "falls back from the user's language %j to a more general one, then to the default",
    (locale, expected) => {
      const files = {
        pt: { hello: "português" },
        "pt-br": { hello: "brasileiro" },
        "zh-Hant": { hello: "繁體" },
        nl: { hello: "default" },
      };
      const mail = mailOf(files, { text: '{{ "hello" | t }}' }, {}, "nl-BE");
      expect(mail({ locale }).text).toBe(expected);
    },
  );

  test("falls back text by text, and shows the key of a text that does not exist", () => {
    const files = { en: { a: "A", b: "B" }, de: { a: "Ä" } };
    const text =
      '{{ "a" | t }} {{ "b" | t }} {{ "c.d" | t: x: 1 }} {{ "__proto__" | t }} {{ "constructor" | t }}';
    expect(mailOf(files, { text })({ locale: "de" }).text).toBe("Ä B c.d __proto__ constructor");
    expect(mailOf({}, { text })({ locale: "de" }).text).toBe("a b c.d __proto__ constructor");
  });

  test("uses the user's language even if the template has a variable `user` of its own", () => {
    const text = '{% assign user = "x" %}{% increment user %}{{ "a" | t }}';
    expect(mailOf({ en: { a: "A" }, de: { a: "Ä" } }, { text })({ locale: "de" }).text).toBe("0Ä");
  });

  test("limits the memory of a text that repeats a value", () => {
    const files = { en: { long: "{x}".repeat(1_000) } };
    const mail = mailOf(files, { text: '{{ "long" | t: x: data.x }}' }, { x: "x".repeat(7_000) });
    expect(() => mail()).toThrow(/limit exceeded/);
  });
});

describe("in HTML", () => {
  const files = { en: { hello: "<b>Hello</b> {name} & Co" } };
  const data = { name: '<script>"x"</script>' };
  const html = (expression: string) => mailOf(files, { html: `{{ ${expression} }}` }, data)().html;
  const value = "&lt;script&gt;&#34;x&#34;&lt;/script&gt;";

  test("t escapes the text and its values, once", () => {
    const expected = `&lt;b&gt;Hello&lt;/b&gt; ${value} &amp; Co`;
    expect(html('"hello" | t: name: data.name')).toBe(expected);
    const assigned = '{% assign text = "hello" | t: name: data.name %}{{ text }}';
    expect(mailOf(files, { html: assigned }, data)().html).toBe(expected);
  });

  test("t escapes a key that has no text", () => {
    expect(html("data.name | t")).toBe(value);
  });

  test("t_html keeps the text's markup and escapes its values", () => {
    expect(html('"hello" | t_html: name: data.name')).toBe(`<b>Hello</b> ${value} & Co`);
    expect(html('"hello" | t_html: name: data.name | raw')).toBe(`<b>Hello</b> ${value} & Co`);
  });

  test("t_html escapes a key that comes from a value and has no text", () => {
    expect(html("data.name | t_html")).toBe(value);
  });

  test("t_html is for HTML templates only: in a subject it stops the start", () => {
    const subject = '{{ "hello" | t_html }}';
    const { problems } = createTypeRegistry(general, {
      one: { inbox: true, channels: { email: { subject } } },
    });
    expect(problems).toEqual([expect.stringMatching(/^type one, channel email, subject: .*t_html/)]);
  });
});

describe("a type's templates for other languages", () => {
  const email = {
    subject: "Invoice",
    text: "Your invoice",
    html: "<p>{{ data.x }}</p>",
    locales: {
      de: { subject: "Rechnung", text: "Ihre Rechnung" },
      "de-at": { text: "Eanare Rechnung" },
      es: { html: "<i>{{ data.x }}</i>" },
    },
  };
  const mail = mailOf({}, email, { x: "<" });

  test("are used part by part, with the same fallback", () => {
    expect(mail({ locale: "de-AT" })).toEqual({
      subject: "Rechnung",
      text: "Eanare Rechnung",
      html: "<p>&lt;</p>",
    });
    expect(mail({ locale: "de-CH" })).toMatchObject({ subject: "Rechnung", text: "Ihre Rechnung" });
    expect(mail({ locale: "es-MX" })).toEqual({
      subject: "Invoice",
      text: "Your invoice",
      html: "<i>&lt;</i>",
    });
    for (const user of [{ locale: "fr" }, {}, undefined])
      expect(mail(user)).toMatchObject({ subject: "Invoice", text: "Your invoice" });
  });

  test("of the default language are used before the type's own", () => {
    const inGerman = mailOf({}, email, {}, "de");
    expect(inGerman({ locale: "fr" }).subject).toBe("Rechnung");
    expect(inGerman().subject).toBe("Rechnung");
  });

  test("replace the channel's default templates, too", () => {
    const { registry } = createTypeRegistry(general, {
      one: { inbox: true, channels: { sms: { locales: { de: { text: "Hallo" } } } } },
    });
    const text = (locale: string) => registry.render("sms", { key: "one", at: 0 }, { locale }).parts.text;
    expect([text("de"), text("fr")]).toEqual(["Hallo", "One"]);
  });

  test("are all checked at start", () => {
    const channels = {
      email: {
        subject: "{{ x | a }}",
        locales: { de: { subject: "{% b %}", text: "{{" }, DE: {}, en_US: { html: "{{ x | c }}" } },
      },
      sms: { locales: { fr: { text: "{{ x | d }}" } } },
    };
    const { problems } = createTypeRegistry(general, { one: { inbox: true, channels } });
    expect(problems).toEqual([
      "type one, channel email, locales.DE: de is there twice",
      "type one, channel email, locales.en_US: must be a BCP 47 tag, such as de or pt-BR",
      expect.stringMatching(/^type one, channel email, subject: .*a/),
      expect.stringMatching(/^type one, channel email, locales\.de\.subject: .*b/),
      expect.stringMatching(/^type one, channel email, locales\.de\.text: /),
      expect.stringMatching(/^type one, channel email, locales\.en_US\.html: .*c/),
      expect.stringMatching(/^type one, channel sms, locales\.fr\.text: .*d/),
    ]);
  });

  test.each([
    [
      { email: { locales: { de: { reply_to: "a@b.example" } } } },
      "/one/channels/email/locales/de/reply_to: is not",
    ],
    [{ email: { locales: { de: { subject: 1 } } } }, "/one/channels/email/locales/de/subject: "],
    [{ email: { locales: { de: "x" } } }, "/one/channels/email/locales/de: "],
    [{ email: { locales: [] } }, "/one/channels/email/locales: "],
    [{ sms: { locales: { de: { subject: "x" } } } }, "/one/channels/sms/locales/de/subject: is not"],
    [{ webhook: { locales: {} } }, "/one/channels/webhook/locales: is not a known field"],
  ])("have the fields of their channel's templates and no others: %j", (channels, problem) => {
    const { problems } = createTypeRegistry(general, { one: { inbox: true, channels } });
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });
});

test("the names of months are in the language of the template, else in the one of the texts", () => {
  const text = "{{ '2026-03-01' | date: '%B' }}";
  const email = { subject: text, text, locales: { fr: { text } } };
  const mail = mailOf({ de: {} }, email);
  expect(mail({ locale: "de-AT" })).toMatchObject({ subject: "März", text: "März" });
  expect(mail({ locale: "fr-CA" })).toMatchObject({ subject: "March", text: "mars" });
  expect(mail({ locale: "es" })).toMatchObject({ subject: "March", text: "March" });
});

describe("the files", () => {
  test("are refused with every problem at once", () => {
    const { problems } = createLocales({
      en_US: {},
      de: {
        a: 5,
        b: [],
        c: { d: null },
        e: { one: "x" },
        f: { one: "x", few: "y", other: "z" },
        g: { one: "x", tow: "y", other: "z" },
        h: { one: "x", other: 7, two: "y" },
        i: "{{ data.x }}",
        j: { one: "{% if x %}", other: "y" },
        "k.l": "x",
        k: { l: "y", m: {} },
        ok: { other: "Other", mail: "Mail", nested: { one: "One", three: "Three" } },
      },
      DE: {},
      fr: ["x"],
    });
    const form = "is no plural form of this language, which has one, other";
    const liquid = "must have placeholders such as {name}; Liquid works in templates only";
    expect(problems).toEqual([
      "locales.en_US: the name must be a BCP 47 tag, such as de or pt-BR",
      "locales.de: a: must be a text, plural forms or an object of texts",
      "locales.de: b: must be a text, plural forms or an object of texts",
      "locales.de: c.d: must be a text, plural forms or an object of texts",
      "locales.de: e: plural forms must include other",
      `locales.de: f.few: ${form}`,
      `locales.de: g.tow: ${form}`,
      "locales.de: h.other: must be a text, plural forms or an object of texts",
      `locales.de: i: ${liquid}`,
      `locales.de: j: ${liquid}`,
      "locales.de: k.l: is there twice",
      "locales.DE: de is there twice",
      "locales.fr: must be a JSON object",
    ]);
  });

  test("may have 10,000 texts", () => {
    const texts = Object.fromEntries(
      Array.from({ length: 100 }, (_, group) => [
        `group${group}`,
        Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`text${at}`, `Text ${group}.${at} {x}`])),
      ]),
    );
    const { locales, problems } = createLocales({ en: texts, de: texts });
    expect(problems).toEqual([]);
    expect(locales.languages.get("de")?.texts.size).toBe(10_000);
    const values = new Map([["x", "!"]]);
    expect(locales.translate("de", "group99.text42", values, String)).toBe("Text 99.42 !");
  });
});
