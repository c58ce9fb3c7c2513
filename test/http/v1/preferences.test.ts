import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { freshDatabase } from "../../support/database.ts";
import { type Answer, call } from "../../support/http.ts";

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId | string; [field: string]: unknown }>("users");
const folder = mkdtempSync(join(tmpdir(), "belfry-preferences-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    categories: { social: { label: { en: "Social", de: "Soziales" } }, billing: { locked: true } },
    "post.comment": { category: "social", inbox: true, channels: { email: {} } },
    invoice: { category: "billing", inbox: true, channels: { email: {} } },
    reset: { mandatory: true, inbox: false, channels: { email: {} } },
  }),
);

let url = "";
beforeAll(async () => {
  const variables = { TIME_ZONE: "Europe/Berlin", EMAIL: "new@users.example" };
  const { config } = loadConfig({ PORT: "0", DB_URI: uri, NOTIFICATION_TYPES_FILE: file, ...variables });
  const app = await startApp(config, pino({ level: "silent" }));
  afterAll(() => app.close());
  ({ url } = app);
});

let made = 0;
const newUser = () => `chooser ${++made}`;
const pathOf = (user: string) => `/v1/users/${encodeURIComponent(user)}/preferences`;
const show = (user: string) => call(url, "GET", pathOf(user));
const patch = (user: string, body: unknown) => call(url, "PATCH", pathOf(user), body);
const put = (user: string, body: unknown) => call(url, "PUT", pathOf(user), body);
const chosen = ({ status, body }: Answer) => {
  expect(status, JSON.stringify(body)).toBe(200);
  return body.preferences;
};
const far = "2999-01-01T00:00:00.000Z";

test("preferences are shown, changed in part and replaced", async () => {
  const user = newUser();
  const none = await show(user);
  expect(none.body).toMatchObject({
    preferences: {},
    time_zone: "Europe/Berlin",
    categories: [
      { category: "social", label: { en: "Social", de: "Soziales" }, locked: false },
      { category: "billing", locked: true },
      { locked: false },
    ],
  });
  expect(none.body).not.toHaveProperty("preferences_rev");
  expect(await users.findOne({ _id: user })).toBeNull();

  const first = await patch(user, {
    categories: { social: { email: "daily", "*": false } },
    types: { "post.comment": true },
    topics: { "post:7": false, constructor: true },
  });
  expect(chosen(first)).toStrictEqual({
    categories: { social: { email: "daily", "*": false } },
    types: { "post.comment": true },
    topics: { "post:7": false, constructor: true },
  });
  expect((await show(user)).body).toStrictEqual(first.body);
  expect(first.body.categories[0].types[0]).toMatchObject({
    type: "post.comment",
    cells: { email: { value: "daily", from: "categories.social.email", options: expect.any(Array) } },
  });
  expect(await users.findOne({ _id: user })).toMatchObject({
    email: "new@users.example",
    rev: first.body.preferences_rev,
  });

  const second = await patch(user, {
    categories: { social: { email: null } },
    types: null,
    topics: { "post:7": null, constructor: null },
    muted_until: "2999-01-01T01:00:00+01:00",
    quiet: [{ days: ["sat"], from: "22:00", to: "07:00", channels: ["email"] }],
  });
  expect(chosen(second)).toStrictEqual({
    categories: { social: { "*": false } },
    muted_until: far,
    quiet: [{ days: ["sat"], from: "22:00", to: "07:00", channels: ["email"] }],
  });
  expect(second.body.preferences_rev).toBe(first.body.preferences_rev + 1);
  expect((await patch(user, { muted_until: far })).body).toStrictEqual(second.body);

  const replaced = await put(user, { "*": { email: false, "*": true } });
  expect(chosen(replaced)).toStrictEqual({ "*": { email: false, "*": true } });
  expect((await put(user, replaced.body.preferences)).body).toStrictEqual(replaced.body);
  expect(chosen(await put(user, {}))).toStrictEqual({});
});

test("the user's own time zone is that of the quiet hours", async () => {
  const user = newUser();
  await call(url, "PUT", `/v1/users/${encodeURIComponent(user)}`, { time_zone: "Africa/Cairo" });
  expect((await show(user)).body.time_zone).toBe("Africa/Cairo");
});

test("an id of 24 hex characters is the same user in upper case", async () => {
  const user = new ObjectId().toHexString();
  await patch(user.toUpperCase(), { "*": false });
  expect(chosen(await show(user))).toStrictEqual({ "*": false });
});

describe("a wrong choice", () => {
  test.each([
    ["a type", { types: { "post.coment": false } }, "/types/post.coment", /; did you mean post\.comment\?$/],
    ["a category", { categories: { socail: false } }, "/categories/socail", /; did you mean social\?$/],
    [
      "a channel",
      { types: { "post.comment": { emial: false } } },
      "/types/post.comment/emial",
      /did you mean email/,
    ],
    ["a rhythm", { "*": "dayly" }, "/*", /must be one of hourly, daily, weekly; did you mean daily\?$/],
    ["a rhythm of a channel", { "*": { email: "monthly" } }, "/*/email", /must be one of hourly/],
    ["a number", { "*": { email: 1 } }, "/*/email", /must be true or false or/],
    [
      "a day",
      { quiet: [{ days: ["Mon"], from: "22:00", to: "23:00" }] },
      "/quiet/0/days/0",
      /did you mean mon\?$/,
    ],
    ["a time", { quiet: [{ from: "24:00", to: "07:00" }] }, "/quiet/0/from", /time of day from 00:00/],
    ["no end", { quiet: [{ from: "22:00" }] }, "/quiet/0/to", /is missing/],
    ["no length", { quiet: [{ from: "22:00", to: "22:00" }] }, "/quiet/0/to", /must not be the same time/],
    [
      "a channel of quiet hours",
      { quiet: [{ from: "22:00", to: "07:00", channels: ["inbox"] }] },
      "/quiet/0/channels/0",
      /must be one of email/,
    ],
    ["a field", { topic: {} }, "/topic", /is not a field of this request; did you mean topics\?$/],
    ["a rhythm of a topic", { topics: { "post:7": "daily" } }, "/topics/post:7", /must be true or false/],
    ["a moment", { muted_until: "tomorrow" }, "/muted_until", /must be an ISO 8601 time/],
    ["a moment without zone", { muted_until: "2999-01-01T00:00:00" }, "/muted_until", /with its zone/],
    ["the past", { muted_until: "2020-01-01T00:00:00Z" }, "/muted_until", /must be in the future/],
    [
      "21 periods",
      { quiet: Array.from({ length: 21 }, () => ({ from: "22:00", to: "23:00" })) },
      "/quiet",
      /at most 20/,
    ],
    [
      "every hour",
      {
        quiet: [
          { from: "00:00", to: "12:00" },
          { from: "12:00", to: "00:00" },
        ],
      },
      "/quiet",
      /no minute/,
    ],
    ["no object", [], "", /must be an object/],
  ])("%s that is none: a sentence at its place", async (_what, body, pointer, detail) => {
    for (const answer of [await patch("wrong", body), await put("wrong", body)]) {
      expect([answer.status, answer.body.code]).toStrictEqual([400, "invalid_request"]);
      expect(answer.body.errors).toStrictEqual([{ pointer, detail: expect.stringMatching(detail) }]);
    }
    expect(await users.findOne({ _id: "wrong" })).toBeNull();
  });
});

test("too much in several changes is refused as a whole", async () => {
  const user = newUser();
  const topics = (from: number, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`topic ${from + n}`, false]));
  await patch(user, { topics: topics(0, 300) }).then(chosen);
  const more = await patch(user, { topics: topics(300, 201) });
  expect(more.body.errors).toStrictEqual([
    { pointer: "/topics", detail: "has 501 topics; at most 500 are allowed" },
  ]);
  expect(Object.keys(chosen(await patch(user, { topics: topics(300, 200) })).topics)).toHaveLength(500);
});

test("a mandatory type and a locked category refuse a choice, and name the lock", async () => {
  const user = newUser();
  for (const [body, text] of [
    [{ types: { reset: { email: false } } }, "`types.reset` cannot be changed: type reset is mandatory."],
    [{ types: { invoice: false } }, "`types.invoice` cannot be changed: category billing is locked."],
    [
      { categories: { billing: { email: false } } },
      "`categories.billing` cannot be changed: category billing is locked.",
    ],
  ] as const) {
    const answer = await patch(user, body);
    expect([answer.status, answer.body.code, answer.body.detail]).toStrictEqual([
      409,
      "preference_locked",
      text,
    ]);
  }
  const [, billing, others] = (await patch(user, { "*": false })).body.categories;
  expect(billing.types[0].cells.email).toMatchObject({ value: true, locked: "category billing is locked" });
  expect(others.types.find((one: { type: string }) => one.type === "reset").cells.email).toMatchObject({
    value: true,
    locked: "type reset is mandatory",
  });
});

test("names that change an object are refused or harmless", async () => {
  const refused = await patch(newUser(), '{"topics": {"__proto__": false}}');
  expect([refused.status, refused.body.errors[0].pointer]).toStrictEqual([400, "/topics/__proto__"]);
  const user = newUser();
  expect((await patch(user, { types: { constructor: false } })).status).toBe(400);
  expect(chosen(await patch(user, { topics: { toString: false, valueOf: false } }))).toStrictEqual({
    topics: { toString: false, valueOf: false },
  });
});

test("a wrong value that another program stored is shown as none and can be replaced", async () => {
  const [odd, foreign] = [newUser(), newUser()];
  await users.insertMany([
    { _id: odd, notificationPreferences: { quiet: "always" }, preferences_rev: "x" },
    { _id: foreign, notificationPreferences: "all" },
  ]);
  expect((await show(odd)).body).toMatchObject({ preferences: {} });
  expect((await call(url, "GET", `/v1/users/${encodeURIComponent(odd)}/inbox`)).body).toStrictEqual({
    rev: 0,
    unread: 0,
    unseen: 0,
    total: 0,
    items: [],
  });
  expect(chosen(await patch(odd, { "*": false }))).toStrictEqual({ "*": false });
  expect(chosen(await show(foreign))).toStrictEqual({});
  const refused = await patch(foreign, { "*": false });
  expect([refused.status, refused.body.code]).toStrictEqual([409, "user_document_conflict"]);
  expect(await users.findOne({ _id: foreign })).toMatchObject({ notificationPreferences: "all" });
});

test("erasing a user erases the preferences", async () => {
  const user = newUser();
  await patch(user, { "*": false }).then(chosen);
  await call(url, "DELETE", `/v1/users/${encodeURIComponent(user)}`);
  expect(await users.findOne({ _id: user })).toBeNull();
  expect(chosen(await show(user))).toStrictEqual({});
});
