import { expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";

const general = { delayMs: 10_000, factor: 2, maxRetries: 5 };
const open = (file: unknown) => createTypeRegistry(general, file);
const withEmail = (rules: object, more: object = {}) => ({
  comment: { inbox: true, channels: { email: rules, sms: {} }, ...more },
});

test("a type has rules, a category and a schema of its data", () => {
  const { registry, problems } = open({
    categories: {
      social: { label: { en: "Social", de: "Soziales" }, default: { email: "daily", "*": true } },
    },
    comment: {
      category: "social",
      inbox: true,
      data_schema: { type: "object", required: ["author"], properties: { author: { type: "string" } } },
      channels: {
        email: { subject: "Hi", after: "15m", unless: "read", if: ["data.public == true"], expires: "2d" },
        sms: { if_failed: "email" },
      },
    },
    password_reset: { mandatory: true, inbox: false, channels: { email: {} } },
  });
  expect(problems).toStrictEqual([]);
  expect(registry.get("comment")).toMatchObject({
    category: "social",
    mandatory: false,
    defaults: { default: { email: "daily" } },
    rules: { email: { after: "15m", unless: "read", expires: "2d" }, sms: { if_failed: "email" } },
  });
  expect(registry.get("password_reset")).toMatchObject({ mandatory: true });
  const content = { key: "comment", at: 0, data: { public: false } };
  expect(registry.get("comment")?.unmet("email", content, {})).toBe("data.public == true");
  expect(registry.get("comment")?.unmet("email", { ...content, data: { public: true } }, {})).toBeUndefined();
  expect(registry.render("email", content).settings).toStrictEqual({ subject: "Hi" });
});

test.each([
  [
    "a duration that is none",
    withEmail({ after: "soon" }),
    'after: must match pattern "^[1-9]\\d{0,8}[smhdw]$"',
  ],
  [
    "a wait of years",
    withEmail({ after: "9999w" }),
    "channel email, after: must be a number and s, m, h, d or w",
  ],
  [
    "an end before the wait is over",
    withEmail({ after: "2h", expires: "1h" }),
    "channel email, expires: must be longer than `after`",
  ],
  [
    "an unknown state",
    withEmail({ unless: "clicked" }),
    "unless: must be equal to one of the allowed values",
  ],
  [
    "`unless` without an inbox item",
    withEmail({ unless: "read" }, { inbox: false }),
    "channel email, unless: needs an inbox item",
  ],
  [
    "an unknown channel",
    withEmail({ if_failed: "pigeon" }),
    "if_failed: must be equal to one of the allowed values",
  ],
  [
    "a channel that the type does not have",
    withEmail({ if_failed: "webhook" }),
    "channel email, if_failed: must name another channel",
  ],
  [
    "a channel that waits for itself",
    withEmail({ if_failed: "email" }),
    "channel email, if_failed: leads back",
  ],
  [
    "channels that wait for each other",
    { comment: { inbox: true, channels: { email: { if_failed: "sms" }, sms: { if_failed: "email" } } } },
    "channel sms, if_failed: leads back to this channel",
  ],
  ["an expression with a rest", withEmail({ if: ["data.a == 1 else"] }), "channel email, if[0]:"],
  [
    "an expression without its second value",
    withEmail({ if: ["true", "data.x >"] }),
    "channel email, if[1]: `>` has no value to compare",
  ],
  [
    "two values without an operator",
    withEmail({ if: ["data.a data.b"] }),
    "if[0]: two values need an operator",
  ],
  ["a quote that is not closed", withEmail({ if: ['data.a == "x'] }), "if[0]: a quote is not closed"],
  ["an unknown filter", withEmail({ if: ["data.a | frobnicate"] }), "if[0]: undefined filter: frobnicate"],
  ["a tag", withEmail({ if: ["{% if a %}"] }), "channel email, if[0]:"],
  ["an unknown field", withEmail({ delay: "5m" }), "/comment/channels/email/delay: is not a known field"],
  [
    "a category that is not listed",
    { categories: { social: {} }, ...withEmail({}, { category: "socail" }) },
    "type comment, category: socail is not in `categories`; did you mean social?",
  ],
  [
    "a default that is none",
    { categories: { social: { default: "sometimes" } } },
    "/categories/social/default: must be equal to one of the allowed values",
  ],
  [
    "a default for an unknown channel",
    { categories: { social: { default: { pigeon: true } } } },
    "/categories/social/default/pigeon: is not a known field",
  ],
  ["a schema that is none", withEmail({}, { data_schema: { type: "objekt" } }), "type comment, data_schema:"],
  [
    "a misspelt keyword of a schema",
    withEmail({}, { data_schema: { requierd: ["a"] } }),
    'type comment, data_schema: strict mode: unknown keyword: "requierd"',
  ],
])("%s stops the start", (_what, file, problem) => {
  expect(open(file).problems.join("\n")).toContain(problem);
});

test("every problem of 10,000 rules is listed, in seconds", () => {
  const file = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, at) => [
      `type${at}`,
      { inbox: true, channels: { sms: { if: ["a b"] } } },
    ]),
  );
  expect(open(file).problems).toHaveLength(10_000);
});

test("`data` that the schema refuses is told with a pointer into it", () => {
  const data_schema = {
    type: "object",
    required: ["author"],
    additionalProperties: false,
    properties: { author: { type: "string" }, tags: { type: "array", items: { enum: ["a", "b"] } } },
  };
  const type = open(withEmail({}, { data_schema })).registry.get("comment");
  expect(type?.dataProblems({ author: "Maria", tags: ["a"] })).toStrictEqual([]);
  expect(type?.dataProblems(undefined)).toStrictEqual([{ pointer: "/data/author", detail: "is missing" }]);
  expect(type?.dataProblems({ author: 7, tags: ["c"], "x/y": 1 })).toStrictEqual([
    { pointer: "/data/x~1y", detail: "is not a known field" },
    { pointer: "/data/author", detail: "must be string" },
    { pointer: "/data/tags/0", detail: "must be one of a, b" },
  ]);
});
