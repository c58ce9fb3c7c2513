import { expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { checkChange } from "../../src/core/preference-checks.ts";
import { matrixOf } from "../../src/core/preference-matrix.ts";
import { BelfryError } from "../../src/model/errors.ts";
import type { Preferences } from "../../src/model/preferences.ts";

const file = {
  categories: {
    social: { label: { en: "Social", de: "Soziales" }, default: { email: "daily", "*": true } },
    billing: { label: "Billing", locked: true, default: { sms: false, "*": true } },
  },
  comment: { category: "social", description: "A reply", inbox: true, channels: { email: {}, sms: {} } },
  like: { category: "social", inbox: true, channels: {} },
  invoice: { category: "billing", inbox: true, channels: { email: {}, sms: {} } },
  receipt: { category: "billing", mandatory: true, inbox: false, channels: { sms: {} } },
  reset: { mandatory: true, inbox: false, channels: { email: {} } },
};
const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, file);
const now = Date.parse("2026-03-01T12:00:00Z");

const groupsOf = (preferences: Preferences) => {
  const [social, billing, others] = matrixOf(preferences, registry);
  return { social, billing, others, types: (group: typeof social) => group?.types.map(({ type }) => type) };
};
const rhythms = ["hourly", "daily", "weekly"];
const free = { options: [true, false, ...rhythms] };
const inbox = { options: [true, false] };

test("the matrix has each category with its types, and last the types without one", () => {
  const { social, billing, others, types } = groupsOf({});
  expect(social).toStrictEqual({
    category: "social",
    label: { en: "Social", de: "Soziales" },
    locked: false,
    cells: {
      inbox: { value: true, from: "default", ...inbox },
      email: { value: "daily", from: "default", ...free },
      sms: { value: true, from: "default", ...free },
    },
    types: [
      {
        type: "comment",
        description: "A reply",
        mandatory: false,
        cells: {
          inbox: { value: true, from: "default", ...inbox },
          email: { value: "daily", from: "default", ...free },
          sms: { value: true, from: "default", ...free },
        },
      },
      { type: "like", mandatory: false, cells: { inbox: { value: true, from: "default", ...inbox } } },
    ],
  });
  expect(billing).toMatchObject({ category: "billing", label: "Billing", locked: true });
  expect(others).not.toHaveProperty("category");
  expect(types(others)).toContain("reset");
  expect(types(others)).toContain("new_message");
});

test("a cell says which choice decides", () => {
  const { social } = groupsOf({
    "*": { sms: false },
    categories: { social: { email: "weekly" } },
    types: { comment: { email: false }, like: "hourly" },
  });
  expect(social?.cells).toMatchObject({
    inbox: { value: true, from: "default" },
    email: { value: "weekly", from: "categories.social.email" },
    sms: { value: false, from: "*.sms" },
  });
  const [comment, like] = social?.types ?? [];
  expect(comment?.cells).toMatchObject({
    email: { value: false, from: "types.comment.email" },
    sms: { value: false, from: "*.sms" },
  });
  // A rhythm for everything keeps the inbox on.
  expect(like?.cells.inbox).toStrictEqual({ value: true, from: "types.like", ...inbox });
});

test("a locked cell names what locks it, and no choice counts there", () => {
  const { billing, others } = groupsOf({ "*": false, types: { invoice: false, reset: false } });
  const locked = "category billing is locked";
  expect(billing?.cells.email).toStrictEqual({ value: true, from: "default", locked, options: [true] });
  const [invoice, receipt] = billing?.types ?? [];
  expect(invoice?.cells.sms).toStrictEqual({ value: false, from: "default", locked, options: [false] });
  // Mandatory goes before the category's default, as when it is sent.
  expect(receipt?.cells.sms).toStrictEqual({
    value: true,
    from: "default",
    locked: "type receipt is mandatory",
    options: [true],
  });
  expect(others?.types.find(({ type }) => type === "reset")?.cells.email).toMatchObject({
    value: true,
    locked: "type reset is mandatory",
  });
});

test("a file without `categories` has those that its types name", () => {
  const { registry: open } = createTypeRegistry(
    { delayMs: 1, factor: 1, maxRetries: 0 },
    { comment: { category: "social", inbox: true, channels: {} } },
  );
  const [group] = matrixOf({}, open);
  expect(group).toMatchObject({ category: "social", locked: false, types: [{ type: "comment" }] });
});

function errorOf(next: Preferences, stored: Preferences = {}): BelfryError | undefined {
  try {
    checkChange(stored, next, registry, now);
  } catch (error) {
    if (error instanceof BelfryError) return error;
    throw error;
  }
  return undefined;
}

const everyNight = { from: "22:00", to: "07:00" };
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, false]));

test.each<[string, Preferences, string, string]>([
  [
    "an unknown type",
    { types: { coment: false } },
    "/types/coment",
    "is not a notification type; did you mean comment?",
  ],
  ["nothing like any type", { types: { zebra: false } }, "/types/zebra", "is not a notification type"],
  [
    "an unknown category",
    { categories: { socail: false } },
    "/categories/socail",
    "is not a category; did you mean social?",
  ],
  ["an unknown channel", { "*": { emial: false } }, "/*/emial", "is not a channel; did you mean email?"],
  [
    "an unknown channel of a type",
    { types: { comment: { pigeon: true } } },
    "/types/comment/pigeon",
    "is not a channel",
  ],
  [
    "a rhythm for the inbox",
    { categories: { social: { inbox: "daily" } } },
    "/categories/social/inbox",
    "must be true or false: the inbox has no rhythm",
  ],
  [
    "a pause that is over",
    { muted_until: "2026-03-01T11:59:59.000Z" },
    "/muted_until",
    "must be in the future; without it nothing is muted",
  ],
  [
    "a period without an end",
    { quiet: [everyNight, { from: "08:00", to: "08:00" }] },
    "/quiet/1/to",
    "must not be the same time as `from`",
  ],
  [
    "quiet hours all week for one channel",
    {
      quiet: [
        { from: "00:00", to: "12:00" },
        { from: "12:00", to: "00:00", channels: ["sms"] },
      ],
    },
    "/quiet",
    "leaves no minute of the week for sms",
  ],
  ["501 topics", { topics: many(501) }, "/topics", "has 501 topics; at most 500 are allowed"],
  [
    "an invisible topic",
    { topics: { "\u200b": false } },
    "/topics/\u200b",
    "must be a text of 1 to 128 visible characters",
  ],
  [
    "more than 32 KiB",
    { topics: Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${n}-${"x".repeat(110)}`, true])) },
    "",
    "makes the preferences 36502 bytes of JSON; at most 32768 are allowed",
  ],
])("%s is refused", (_what, next, pointer, detail) => {
  const error = errorOf(next);
  expect(error?.code).toBe("invalid_request");
  expect(error?.details).toStrictEqual([{ pointer, detail }]);
});

test.each<[Preferences, string, string]>([
  [{ types: { reset: false } }, "/types/reset", "type reset is mandatory"],
  [{ types: { reset: { email: true } } }, "/types/reset", "type reset is mandatory"],
  [{ types: { receipt: false } }, "/types/receipt", "type receipt is mandatory"],
  [{ types: { invoice: { sms: "daily" } } }, "/types/invoice", "category billing is locked"],
  [{ categories: { billing: false } }, "/categories/billing", "category billing is locked"],
])("%j is locked", (next, pointer, why) => {
  const error = errorOf(next);
  expect(error?.code).toBe("preference_locked");
  expect(error?.message).toBe(`\`${pointer.slice(1).replace("/", ".")}\` cannot be changed: ${why}.`);
  expect(error?.details).toStrictEqual([{ pointer, detail: `cannot be changed: ${why}` }]);
});

test("what is stored already may stay, whatever became of it", () => {
  const stored: Preferences = {
    categories: { gone: false, billing: false },
    types: { gone: { pigeon: true }, reset: false },
    muted_until: "2020-01-01T00:00:00.000Z",
    quiet: [{ from: "00:00", to: "00:00" }],
  };
  expect(errorOf({ ...stored, "*": false }, stored)).toBeUndefined();
  expect(errorOf({ ...stored, types: { reset: true } }, stored)?.code).toBe("preference_locked");
  expect(errorOf({ ...stored, categories: { gone: true } }, stored)?.code).toBe("invalid_request");
});

test("a choice for everything, 500 topics and odd names are fine", () => {
  expect(errorOf({ "*": false, topics: many(500), quiet: [everyNight] })).toBeUndefined();
  expect(errorOf({ topics: { constructor: false, "a.b": true, $where: false } })).toBeUndefined();
  expect(errorOf({ types: { constructor: false } as never })?.details[0]?.pointer).toBe("/types/constructor");
});
