import { describe, expect, test } from "vitest";
import { createCatalog } from "../../src/core/catalog.ts";
import type { DeliveryContent } from "../../src/model/delivery.ts";

function catalogOf(file?: unknown) {
  const { catalog, problems } = createCatalog(file);
  expect(problems).toStrictEqual([]);
  return catalog;
}

const email = (templates: object) => ({ inbox: true, channels: { email: templates } });

function render(templates: object, content: Partial<DeliveryContent> = {}) {
  return catalogOf({ sample: email(templates) }).renderEmail({ key: "sample", at: 0, ...content });
}

describe("notification types", () => {
  test("without a file there are the four of the inbox dialect", () => {
    const catalog = catalogOf();
    const types = Object.fromEntries(catalog.keys.map((key) => [key, catalog.get(key)]));
    expect(types).toStrictEqual({
      registration: { inbox: false, channels: ["email"] },
      new_message: { inbox: true, channels: [] },
      new_post: { inbox: true, channels: [] },
      new_login: { inbox: true, channels: ["email"] },
    });
  });

  test("a file adds types and replaces built-in ones by their key", () => {
    const catalog = catalogOf({
      invoice: { description: "A bill", ...email({ subject: "Bill" }) },
      new_message: { inbox: false, channels: { email: {} } },
    });
    expect(catalog.keys.sort()).toStrictEqual([
      "invoice",
      "new_login",
      "new_message",
      "new_post",
      "registration",
    ]);
    expect(catalog.get("invoice")).toStrictEqual({ inbox: true, channels: ["email"] });
    expect(catalog.get("new_message")).toStrictEqual({ inbox: false, channels: ["email"] });
    expect(catalog.get("new_post")).toStrictEqual({ inbox: true, channels: [] });
  });

  test.each(["no_such_key", "", "__proto__", "constructor", "toString"])("%j is no type", (key) => {
    expect(catalogOf().get(key)).toBeUndefined();
    expect(() => catalogOf().renderEmail({ key, at: 0 })).toThrow(`the type ${key} has no e-mail`);
  });

  test.each<[string, unknown, RegExp]>([
    ["null", null, /^\/: /],
    ["a list", [email({})], /^\/: /],
    ["a type without inbox", { one: { channels: {} } }, /^\/one: .*inbox/],
    [
      "an unknown channel",
      { one: { inbox: true, channels: { pigeon: {} } } },
      /^\/one\/channels\/pigeon: is not known here$/,
    ],
    ["an unknown field", { one: { ...email({}), colour: 1 } }, /^\/one\/colour: is not known here$/],
    ["a template that is no text", { one: email({ html: 1 }) }, /^\/one\/channels\/email\/html: /],
    ["a key with a blank", { "o n e": email({}) }, /^\/: |o n e/],
    ["a key of 65 characters", { ["k".repeat(65)]: email({}) }, /^\/: |k{65}/],
    [
      "a tag that is not closed",
      { one: email({ text: "{% if key %}" }) },
      /^type one, channel email, text: /,
    ],
    [
      "an output that is not closed",
      { one: email({ subject: "{{ key" }) },
      /^type one, channel email, subject: /,
    ],
    [
      "an unknown filter",
      { one: email({ html: "{{ key | shout }}" }) },
      /^type one, channel email, html: .*shout/,
    ],
    ["an unknown tag", { one: email({ html: "{% dance %}" }) }, /^type one, channel email, html: .*dance/],
    [
      "another file",
      { one: email({ text: "{% include '/etc/hosts' %}" }) },
      /^type one, channel email, text: /,
    ],
    [
      "a relative file",
      { one: email({ text: "{% render '../package.json' %}" }) },
      /^type one, channel email, text: /,
    ],
    [
      "endless work",
      { one: email({ text: "{% for a in (1..1000000000) %}x{% endfor %}" }) },
      /^type one, .*text: /,
    ],
  ])("%s is told as a problem", (_what, file, expected) => {
    const { problems } = createCatalog(file);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(expected);
  });

  test("all problems of all types and templates are told", () => {
    const { problems } = createCatalog({
      one: email({ subject: "{% a %}", text: "{{ key | b }}", html: "{% c %}" }),
      two: email({ text: "{% d %}" }),
    });
    expect(
      problems.map((problem) => /^type (\w+), channel email, (\w+)/.exec(problem)?.slice(1)),
    ).toStrictEqual([
      ["one", "subject"],
      ["one", "text"],
      ["one", "html"],
      ["two", "text"],
    ]);
  });
});

describe("templates", () => {
  const content = {
    at: Date.UTC(2024, 0, 2, 3, 4, 5),
    title: "Title",
    body: "Body",
    targetId: "0399ea67638f394d4b7243fc",
    data: { name: "Ada", list: [1, 2], deep: { er: "x" } },
  };

  test("are filled in for subject, text and HTML", () => {
    expect(
      render(
        {
          subject: "{{ data.name | upcase }}: {{ title }}",
          text: "{{ key }} {{ body }} {{ target_id }} {{ at }}",
          html: "<p>{% for n in data.list %}{{ n }},{% endfor %}{{ data.deep.er }}</p>",
        },
        content,
      ),
    ).toStrictEqual({
      subject: "ADA: Title",
      text: "sample Body 0399ea67638f394d4b7243fc 2024-01-02T03:04:05.000Z",
      html: "<p>1,2,x</p>",
    });
  });

  test("that a type does not give are the default ones", () => {
    const { subject, text, html } = render({ subject: "Own" }, content);
    expect(subject).toBe("Own");
    expect(text).toBe("Title\n\nBody\n\nsample\n");
    expect(html).toContain("Title");
  });

  test("a value that is missing is empty", () => {
    expect(render({ text: "[{{ data.no.such }}{{ title }}{{ nothing }}]" }).text).toBe("[]");
  });

  test("HTML shows values as text, whatever they hold; text and subject leave them as they are", () => {
    const evil = `<script>alert("1")</script>&'`;
    const all = "{{ title }}|{{ data.name }}";
    const { subject, text, html } = render(
      { subject: all, text: all, html: all },
      { title: evil, data: { name: evil } },
    );
    const escaped = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;&amp;&#39;";
    expect(html).toBe(`${escaped}|${escaped}`);
    expect(text).toBe(`${evil}|${evil}`);
    expect(subject).toBe(`${evil}|${evil}`);
  });

  test("the default HTML escapes title, body and key", () => {
    const catalog = catalogOf();
    const { html } = catalog.renderEmail({ key: "new_login", at: 0, title: "<b>t</b>", body: "<i>b</i>" });
    expect(html).toContain("&lt;b&gt;t&lt;/b&gt;");
    expect(html).toContain("&lt;i&gt;b&lt;/i&gt;");
    expect(html).not.toMatch(/<b>|<i>/);
  });

  test("template marks inside a value are text", () => {
    const value = "{{ key }}{% if key %}x{% endif %}";
    expect(render({ text: "{{ title }}" }, { title: value }).text).toBe(value);
  });

  test.each([
    ["a\r\nBcc: b@users.example", "a Bcc: b@users.example"],
    ["a\n\n\nb", "a b"],
    ["\ta\0b\u0085c\u007fd\u001be ", "a b c d e"],
    ["  blanks  ", "blanks"],
    ["漢字 😀", "漢字 😀"],
  ])("a subject is one line: %j", (title, subject) => {
    expect(render({ subject: "{{ title }}" }, { title }).subject).toBe(subject);
  });

  test("a subject is cut at 500 characters and stays text", () => {
    expect(render({ subject: "{{ title }}" }, { title: "x".repeat(2_000) }).subject).toBe("x".repeat(500));
    const cut = render({ subject: "{{ title }}" }, { title: `${"x".repeat(499)}😀` }).subject;
    expect(cut.isWellFormed()).toBe(true);
  });

  test("see only what data itself holds, nothing of the program", () => {
    const text =
      "{{ data.constructor }}{{ data.constructor.name }}{{ data.__proto__ }}{{ key.constructor }}{{ data.toString }}";
    expect(render({ text }, { data: {} }).text).toBe("");
  });

  test("that never end on some data fail instead of holding up the others", () => {
    const text =
      "{% for a in data.l %}{% for b in data.l %}{% for c in data.l %}{% for d in data.l %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
    const started = Date.now();
    expect(() => render({ text }, { data: { l: Array.from({ length: 500 }, () => 1) } })).toThrow();
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe("the default e-mail", () => {
  const catalog = catalogOf();

  test("carries the key alone when there is nothing else", () => {
    const { subject, text, html } = catalog.renderEmail({ key: "new_login", at: 0 });
    expect(subject).toBe("new_login");
    expect(text).toBe("new_login\n");
    expect(html).toContain("new_login");
    expect(html).not.toMatch(/<h1|white-space:pre-line/);
  });

  test("carries key, title and body when they are given", () => {
    const { subject, text, html } = catalog.renderEmail({
      key: "registration",
      at: 0,
      title: "Hello",
      body: "Come in",
    });
    expect(subject).toBe("Hello");
    expect(text).toBe("Hello\n\nCome in\n\nregistration\n");
    for (const part of ["Hello", "Come in", "registration"]) expect(html).toContain(part);
  });

  test("has its key as subject when the title is empty", () => {
    expect(catalog.renderEmail({ key: "new_login", at: 0, title: "" }).subject).toBe("new_login");
  });
});
