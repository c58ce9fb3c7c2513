import { describe, expect, test } from "vitest";
import { channelOf } from "../../src/channels/index.ts";
import { createTypeRegistry, type TypeRegistry } from "../../src/core/notification-types.ts";
import type { TemplateUser } from "../../src/core/templates.ts";
import type { EmailMessage, SmsMessage } from "../../src/model/channel.ts";
import type { DeliveryContent } from "../../src/model/delivery.ts";

const general = { delayMs: 10_000, factor: 2, maxRetries: 5 };

function registryOf(file?: unknown) {
  const { registry, problems } = createTypeRegistry(general, file);
  expect(problems).toStrictEqual([]);
  return withMessages(registry);
}

function withMessages(registry: TypeRegistry) {
  /** A channel's message, made from the rendered templates. */
  const message = (name: string, content: DeliveryContent, user?: TemplateUser) =>
    channelOf(name).message(
      registry.render(name, content, user),
      { notification: "", user: "", content },
      "",
      {},
    );
  return {
    ...registry,
    render: {
      email(content: DeliveryContent, user?: TemplateUser) {
        const { to: _to, ...shown } = message("email", content, user) as EmailMessage;
        return shown;
      },
      sms: (content: DeliveryContent, user?: TemplateUser) =>
        (message("sms", content, user) as SmsMessage).text,
    },
  };
}

const email = (templates: object) => ({ inbox: true, channels: { email: templates } });
const sms = (templates: object) => ({ inbox: true, channels: { sms: templates } });

function render(templates: object, content: Partial<DeliveryContent> = {}) {
  return registryOf({ sample: email(templates) }).render.email({ key: "sample", at: 0, ...content });
}

describe("notification types", () => {
  test("without a file: the four types of the inbox dialect, the three of the live one, and the queue dialect's", () => {
    const registry = registryOf();
    const types = Object.fromEntries(
      registry.keys.map((key) => {
        const { inbox, channels } = registry.get(key) ?? {};
        return [key, { inbox, channels }];
      }),
    );
    expect(types).toStrictEqual({
      registration: { inbox: false, channels: ["email"] },
      new_message: { inbox: true, channels: [] },
      new_post: { inbox: true, channels: [] },
      new_login: { inbox: true, channels: ["email"] },
      MESSAGE: { inbox: true, channels: [] },
      SUBSCRIPTION_EXPIRY: { inbox: true, channels: [] },
      PROFILE_SETUP: { inbox: true, channels: [] },
      direct: { inbox: true, channels: ["email", "sms", "webhook"] },
    });
  });

  test("a file adds types and replaces built-in types by key", () => {
    const registry = registryOf({
      invoice: { description: "A bill", ...email({ subject: "Bill" }) },
      new_message: { inbox: false, channels: { email: {} } },
      alarm: { inbox: false, channels: { webhook: {}, sms: {} } },
    });
    expect(registry.keys.sort()).toStrictEqual([
      "MESSAGE",
      "PROFILE_SETUP",
      "SUBSCRIPTION_EXPIRY",
      "alarm",
      "direct",
      "invoice",
      "new_login",
      "new_message",
      "new_post",
      "registration",
    ]);
    expect(registry.get("invoice")).toMatchObject({ inbox: true, channels: ["email"] });
    expect(registry.get("new_message")).toMatchObject({ inbox: false, channels: ["email"] });
    expect(registry.get("alarm")).toMatchObject({ inbox: false, channels: ["webhook", "sms"] });
    expect(registry.get("new_post")).toMatchObject({ inbox: true, channels: [] });
  });

  test.each(["no_such_key", "", "__proto__", "constructor", "toString"])("%j is no type", (key) => {
    expect(registryOf().get(key)).toBeUndefined();
    expect(() => registryOf().render.email({ key, at: 0 })).toThrow(
      `the notification type ${key} no longer exists`,
    );
    expect(() => registryOf().render.sms({ key, at: 0 })).toThrow(
      `the notification type ${key} no longer exists`,
    );
  });

  test.each<[string, unknown, RegExp]>([
    ["null", null, /^\/: /],
    ["a list", [email({})], /^\/: /],
    ["a type without inbox", { one: { channels: {} } }, /^\/one: .*inbox/],
    [
      "an unknown channel",
      { one: { inbox: true, channels: { pigeon: {} } } },
      /^\/one\/channels\/pigeon: is not a known field$/,
    ],
    ["an unknown field", { one: { ...email({}), colour: 1 } }, /^\/one\/colour: is not a known field$/],
    ["a template that is no text", { one: email({ html: 1 }) }, /^\/one\/channels\/email\/html: /],
    [
      "a webhook with a template",
      { one: { inbox: true, channels: { webhook: { text: "x" } } } },
      /^\/one\/channels\/webhook\/text: is not a known field$/,
    ],
    [
      "an SMS with a subject",
      { one: sms({ subject: "x" }) },
      /^\/one\/channels\/sms\/subject: is not a known field$/,
    ],
    [
      "an SMS with an unknown filter",
      { one: sms({ text: "{{ key | shout }}" }) },
      /^type one, channel sms: .*shout/,
    ],
    ["a wait of nothing", { one: { ...email({}), retry: { delay_ms: 0 } } }, /^\/one\/retry\/delay_ms: /],
    ["a wait that shrinks", { one: { ...email({}), retry: { factor: 0.5 } } }, /^\/one\/retry\/factor: /],
    ["half a retry", { one: { ...email({}), retry: { max_retries: 1.5 } } }, /^\/one\/retry\/max_retries: /],
    [
      "an unknown word of the retry rule",
      { one: { ...email({}), retry: { jitter: 1 } } },
      /^\/one\/retry\/jitter: is not a known field$/,
    ],
    ["an unknown `on_timeout`", { one: { ...email({}), on_timeout: "maybe" } }, /^\/one\/on_timeout: /],
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
  ])("reports %s as a problem", (_what, file, expected) => {
    const { problems } = createTypeRegistry(general, file);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(expected);
  });

  test("reports all problems of all types and templates", () => {
    const { problems } = createTypeRegistry(general, {
      one: email({ subject: "{% a %}", text: "{{ key | b }}", html: "{% c %}" }),
      two: { inbox: true, channels: { email: { text: "{% d %}" }, sms: { text: "{% e %}" } } },
    });
    expect(
      problems.map((problem) => /^type (\w+), channel (?:email, )?(\w+)/.exec(problem)?.slice(1)),
    ).toStrictEqual([
      ["one", "subject"],
      ["one", "text"],
      ["one", "html"],
      ["two", "text"],
      ["two", "sms"],
    ]);
  });
});

describe("a type's retry policy", () => {
  const resendUnknown = true;

  test("is the general policy for a type without its own, and for a type that no longer exists", () => {
    const registry = registryOf({ one: email({}) });
    for (const key of ["new_login", "one", "gone", "__proto__", "toString"])
      expect(registry.policy(key), key).toStrictEqual({ ...general, resendUnknown });
  });

  test("takes each field from the type where the type sets it", () => {
    const registry = registryOf({
      slow: { ...email({}), retry: { delay_ms: 60_000 } },
      never: { ...email({}), retry: { max_retries: 0 } },
      own: { ...email({}), retry: { delay_ms: 5, factor: 1.5, max_retries: 9 } },
    });
    expect(registry.policy("slow")).toStrictEqual({ ...general, delayMs: 60_000, resendUnknown });
    expect(registry.policy("never")).toStrictEqual({ ...general, maxRetries: 0, resendUnknown });
    expect(registry.policy("own")).toStrictEqual({ delayMs: 5, factor: 1.5, maxRetries: 9, resendUnknown });
  });

  test("keeps the queue dialect's fixed delay, whatever the general factor", () => {
    expect(registryOf().policy("direct")).toStrictEqual({ ...general, factor: 1, resendUnknown });
  });

  test("resends after a time-out, unless the type's on_timeout is give_up", () => {
    const registry = registryOf({
      rather: { ...email({}), on_timeout: "resend" },
      careful: { ...email({}), on_timeout: "give_up" },
    });
    expect(registry.policy("rather").resendUnknown).toBe(true);
    expect(registry.policy("careful").resendUnknown).toBe(false);
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

  test("use the defaults where a type has none", () => {
    const { subject, text, html } = render({ subject: "Own" }, content);
    expect(subject).toBe("Own");
    expect(text).toBe("Title\n\nBody\n\nName: Ada\nList: 1, 2\nDeep, Er: x\n\nType: sample\n");
    expect(html).toContain("Title");
  });

  test("render a missing value as empty", () => {
    expect(render({ text: "[{{ data.no.such }}{{ title }}{{ nothing }}]" }).text).toBe("[]");
  });

  test("escape values in HTML, and leave them as they are in text and subject", () => {
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

  test("the default HTML escapes title, body and data", () => {
    const registry = registryOf();
    const words = { title: "<b>t</b>", body: "<i>b</i>", data: { "<b>n": "<i>v" } };
    const { html } = registry.render.email({ key: "new_login", at: 0, ...words });
    expect(html).toContain("&lt;b&gt;t&lt;/b&gt;");
    expect(html).toContain("&lt;i&gt;b&lt;/i&gt;");
    expect(html).not.toMatch(/<b>|<i>/);
  });

  test("do not render template syntax inside a value", () => {
    const value = "{{ key }}{% if key %}x{% endif %}";
    expect(render({ text: "{{ title }}" }, { title: value }).text).toBe(value);
  });

  test.each([
    ["a\r\nBcc: b@users.example", "a Bcc: b@users.example"],
    ["a\n\n\nb", "a b"],
    ["\ta\0b\u0085c\u007fd\u001be ", "a b c d e"],
    ["  blanks  ", "blanks"],
    ["漢字 😀", "漢字 😀"],
  ])("keep the subject on one line: %j", (title, subject) => {
    expect(render({ subject: "{{ title }}" }, { title }).subject).toBe(subject);
  });

  test("truncate the subject at 500 characters without splitting a character", () => {
    expect(render({ subject: "{{ title }}" }, { title: "x".repeat(2_000) }).subject).toBe("x".repeat(500));
    const cut = render({ subject: "{{ title }}" }, { title: `${"x".repeat(499)}😀` }).subject;
    expect(cut.isWellFormed()).toBe(true);
  });

  test("see only data's own properties", () => {
    const text =
      "{{ data.constructor }}{{ data.constructor.name }}{{ data.__proto__ }}{{ key.constructor }}{{ data.toString }}";
    expect(render({ text }, { data: {} }).text).toBe("");
  });

  test("render even if the process stalls in the middle, as on a loaded machine", () => {
    let stalls = 1;
    const data = {
      get name() {
        const until = performance.now() + (stalls-- > 0 ? 250 : 0);
        while (performance.now() < until);
        return "Ada";
      },
    };
    expect(
      render({ subject: "Hello {{ data.name }} {{ title }}", text: "", html: "" }, { title: "!", data })
        .subject,
    ).toBe("Hello Ada !");
    expect(stalls).toBeLessThan(1);
  });

  test("fail when they never end, without delaying others", () => {
    const text =
      "{% for a in data.l %}{% for b in data.l %}{% for c in data.l %}{% for d in data.l %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
    const started = Date.now();
    expect(() => render({ text }, { data: { l: Array.from({ length: 500 }, () => 1) } })).toThrow();
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe("an SMS", () => {
  const text = (source: string, content: Partial<DeliveryContent>) =>
    registryOf({ sample: sms({ text: source }) }).render.sms({ key: "sample", at: 0, ...content });

  test("is rendered as plain text and trimmed", () => {
    expect(
      text("\n {{ data.name }} & {{ title }}: {{ body }}\n", {
        title: "<b>",
        body: "é😀",
        data: { name: "Ada" },
      }),
    ).toBe("Ada & <b>: é😀");
  });

  test("without a template is the body, else the title, else the type's name", () => {
    const { render } = registryOf();
    expect(render.sms({ key: "direct", at: 0, title: "Title", body: "Body" })).toBe("Body");
    expect(render.sms({ key: "direct", at: 0, title: "Title" })).toBe("Title");
    expect(render.sms({ key: "direct", at: 0, title: "", body: "" })).toBe("Direct");
  });

  test("uses the default text for a type without SMS, because a caller may choose any channel", () => {
    const { render } = registryOf({ bare: sms({}) });
    expect(render.sms({ key: "new_login", at: 0 })).toBe("New login");
    expect(render.email({ key: "bare", at: 0 })).toMatchObject({ subject: "Bare" });
    expect(() => render.sms({ key: "gone", at: 0 })).toThrow("gone");
  });
});

describe("the default e-mail", () => {
  const registry = registryOf();

  test("has the type's name in words as its title, and the key only in the last line of the text part", () => {
    const { subject, text, html } = registry.render.email({ key: "new_login", at: 0 });
    expect(subject).toBe("New login");
    expect(text).toBe("New login\n\nType: new_login\n");
    expect(html).toContain("New login</h1>");
    expect(html).not.toMatch(/new_login|white-space:pre-line|<table/);
  });

  test("shows title, body and data", () => {
    const { subject, text, html } = registry.render.email({
      key: "registration",
      at: 0,
      title: "Hello",
      body: "Come in",
      data: { seat: { row: 4 } },
    });
    expect(subject).toBe("Hello");
    expect(text).toBe("Hello\n\nCome in\n\nSeat, Row: 4\n\nType: registration\n");
    for (const part of ["Hello", "Come in", "Seat, Row", ">4<"]) expect(html).toContain(part);
    expect(html).not.toContain("registration");
  });

  test.each(["", "   ", "\t\n", "\u200b", "\u3164"])("treats a blank title (%j) as none", (title) => {
    expect(registry.render.email({ key: "new_login", at: 0, title }).subject).toBe("New login");
    expect(render({ subject: "{{ title }}" }, { title }).subject).toBe("Sample");
  });
});

describe("the sender of a type's mails", () => {
  test("is the configured address with the type's name, and replies go to the type's address", () => {
    const own = { reply_to: "help@sender.example", from_name: "Night Desk" };
    expect(render({ ...own })).toMatchObject({ replyTo: "help@sender.example", fromName: "Night Desk" });
  });

  test.each([
    ["reply_to", "Help <help@sender.example>"],
    ["reply_to", "help"],
    ["from_name", "Night\r\nBcc: eve@evil.example"],
    ["from_name", "  "],
  ])("is refused at start when %s is %j", (field, value) => {
    const { problems } = createTypeRegistry(general, { one: email({ [field]: value }) });
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^type one, channel email, ${field}: must be`)),
    ]);
  });
});

test.each([
  ["a range as long as the caller says", "{% for i in (1..data.n) %}x{% endfor %}", { n: 4_000_000 }],
  ["a range that is just short enough for memory", "{% for i in (1..data.n) %}x{% endfor %}", { n: 900_000 }],
  [
    "nested loops",
    "{% for i in (1..data.n) %}{% for j in (1..data.n) %}{% endfor %}{% endfor %}",
    { n: 3_000 },
  ],
  [
    "a text that doubles",
    "{% assign s = data.s %}{% for i in (1..data.n) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
    { n: 60, s: "x" },
  ],
  [
    "a capture that doubles",
    "{% assign s = data.s %}{% for i in (1..data.n) %}{% capture s %}{{ s }}{{ s | append: '' }}{% endcapture %}{% endfor %}",
    { n: 60, s: "x" },
  ],
  [
    "a long text in a loop",
    "{% for i in (1..data.n) %}{{ data.s }}{% endfor %}",
    { n: 40_000, s: "x".repeat(7_000) },
  ],
  [
    "a replacement of each character",
    "{{ data.s | replace: 'x', data.s | replace: 'x', data.s }}",
    { s: "x".repeat(7_000) },
  ],
])("limits a template's work: %s", (_what, text, data) => {
  const types = { report: { inbox: false, channels: { email: { text } } } };
  const { problems, ...made } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, types);
  const registry = withMessages(made.registry);
  expect(problems).toEqual([]);
  expect(() => registry.render.email({ key: "report", at: 0, data })).toThrow(/limit exceeded|more than/);
});

test("a loop that is too long ends after a number of steps, not after a time", () => {
  let steps = 0;
  const data = {
    n: 500_000,
    get step() {
      steps++;
      return "";
    },
  };
  const text = "{% for i in (1..data.n) %}{{ data.step }}{% endfor %}";
  expect(() => render({ text }, { data })).toThrow(/limit exceeded|more than/);
  expect(steps).toBeLessThan(60_000);
  const once = steps;
  expect(() => render({ text }, { data })).toThrow();
  expect(steps).toBe(2 * once);
});

describe.each(["America/New_York", "Asia/Tokyo", "UTC"])("dates in templates, with TZ=%s", (zone) => {
  const rendered = (when: unknown, timeZone?: string, filter = "date: '%Y-%m-%d %H:%M %z'") => {
    const before = process.env.TZ;
    process.env.TZ = zone;
    try {
      const text = `{{ data.when | ${filter} }}`;
      const types = { report: { inbox: false, channels: { email: { text } } } };
      const registry = withMessages(
        createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, types).registry,
      );
      return registry.render.email({ key: "report", at: 0, data: { when } }, { timeZone }).text;
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  };

  test.each([
    ["a day", "2026-07-01", "2026-07-01 00:00 +0200"],
    ["a time without an offset", "2026-07-01T12:30", "2026-07-01 12:30 +0200"],
    ["the same with a blank", "2026-01-01 12:30:15", "2026-01-01 12:30 +0100"],
    ["a time in UTC", "2026-07-01T12:30:00Z", "2026-07-01 14:30 +0200"],
    ["a time with an offset", "2026-07-01T23:30:00-04:00", "2026-07-02 05:30 +0200"],
    ["Unix seconds", 1_782_864_000, "2026-07-01 02:00 +0200"],
    ["Unix seconds as a text", "1782864000", "2026-07-01 02:00 +0200"],
    ["a day in words", "July 1, 2026", "2026-07-01 00:00 +0200"],
    ["what is no date", "soon", "soon"],
  ])("%s is in the user's time zone", (_what, when, expected) => {
    expect(rendered(when, "Europe/Berlin")).toBe(expected);
  });

  test("are in UTC for a user without a time zone or with an unknown one", () => {
    expect(rendered("2026-07-01")).toBe("2026-07-01 00:00 +0000");
    expect(rendered("2026-07-01T12:30:00+02:00", "Mars/Olympus")).toBe("2026-07-01 10:30 +0000");
    expect(rendered("now", "Asia/Kolkata", "date: '%z'")).toBe("+0530");
  });
});

test("templates see the user's id, locale and time zone", () => {
  const text = "{{ user.id }} {{ user.locale }} {{ user.time_zone }}";
  const types = { report: { inbox: false, channels: { email: { text }, sms: { text } } } };
  const registry = withMessages(createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, types).registry);
  const user = { id: "ada", locale: "de-AT", timeZone: "Europe/Vienna" };
  expect(registry.render.email({ key: "report", at: 0 }, user).text).toBe("ada de-AT Europe/Vienna");
  expect(registry.render.sms({ key: "report", at: 0 }, user)).toBe("ada de-AT Europe/Vienna");
  expect(registry.render.sms({ key: "report", at: 0 })).toBe("");
});
