import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Schema } from "../../src/http/schema-problems.ts";
import { bodyCheck } from "../../src/http/validation.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { spawnService } from "../support/service.ts";

// A wrong request costs little memory, however long it is, and its answer stays short.

const { uri } = freshDatabase();
const mega = 1024 * 1024;
const good = { type: "new_post", recipients: ["a"] };

/** Just below the longest body that is read, all of it wrong. */
const floods: Array<[what: string, body: string, detail: RegExp]> = [
  [
    "520,000 numbers as channels",
    flood("channels", "1,", 520_000, "1"),
    /has 520,001 channels; send at most 4 channels/,
  ],
  ["equal channels", flood("channels", '"sms",', 170_000, '"sms"'), /send at most 4 channels/],
  ["lists as channels", flood("channels", "[],", 340_000, "[]"), /send at most 4 channels/],
  ["numbers as recipients", flood("recipients", "1,", 520_000, "1"), /send at most 1,000 recipients/],
  ["objects as recipients", flood("recipients", "{},", 340_000, "{}"), /send at most 1,000 recipients/],
  ["equal recipients", flood("recipients", '"a",', 250_000, '"a"'), /send at most 1,000 recipients/],
  [
    "a title of a megabyte",
    JSON.stringify({ ...good, title: "x".repeat(mega - 100) }),
    /characters; at most 1,000 are allowed/,
  ],
  [
    "a recipient of a megabyte",
    JSON.stringify({ ...good, recipients: ["\u200b".repeat(mega / 3 - 100)] }),
    /at most 128 are allowed/,
  ],
  ["a type of a megabyte", JSON.stringify({ ...good, type: "x".repeat(mega - 100) }), /must be one of/],
  [
    "a target_id of a megabyte",
    JSON.stringify({ ...good, target_id: "a".repeat(mega - 100) }),
    /must be 24 hex characters/,
  ],
  ["120,000 unknown fields", manyFields(120_000), /is not a field of this request/],
  ["an unknown field with a name of a megabyte", `{"${"x".repeat(mega - 100)}":1}`, /is missing/],
  [
    "120,000 fields in data",
    `{"type":"new_post","recipients":["a"],"data":${manyFields(115_000)}}`,
    /over 8 KiB/,
  ],
  [
    "a list of 500,000 in data",
    `{"type":"new_post","recipients":["a"],"data":{"a":[${"1,".repeat(500_000)}1]}}`,
    /over 8 KiB/,
  ],
  [
    "lists 500,000 deep in data",
    `{"type":"new_post","recipients":["a"],"data":{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}}`,
    /deeper than 32/,
  ],
  [
    "objects 170,000 deep in data",
    `{"type":"new_post","recipients":["a"],"data":${'{"a":'.repeat(170_000)}1${"}".repeat(170_000)}}`,
    /deeper than 32/,
  ],
  [
    "a number of a million digits",
    `{"type":"new_post","recipients":["a"],"data":{"a":1${"0".repeat(mega - 200)}}}`,
    /send it as a string/,
  ],
  [
    "60,000 long numbers, the last of them inexact",
    `{"data":[${"1234567890123456,".repeat(60_000)}9007199254740993]}`,
    /send it as a string/,
  ],
];

function flood(field: string, item: string, times: number, last: string): string {
  return JSON.stringify({ ...good, [field]: "?" }).replace('"?"', `[${item.repeat(times)}${last}]`);
}
function manyFields(count: number): string {
  return JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [n.toString(36), 1])));
}

test("a process with a heap of 320 MB answers every flood with a short 400, also twenty at once", async () => {
  const service = await spawnService({ DB_URI: uri, NODE_OPTIONS: "--max-old-space-size=320" });
  const ask = async ([what, body, detail]: (typeof floods)[number]) => {
    expect(body.length, what).toBeLessThanOrEqual(mega);
    const answer = await call(service.url, "POST", "/v1/notifications", body);
    const shown = JSON.stringify(answer.body);
    expect([answer.status, answer.body.code], `${what}: ${shown.slice(0, 500)}`).toStrictEqual([
      400,
      "invalid_request",
    ]);
    expect(shown, what).toMatch(detail);
    expect(answer.body.errors.length, what).toBeLessThanOrEqual(20);
    expect(shown.length, what).toBeLessThan(16 * 1024);
  };
  for (const one of floods) await ask(one);
  const [first] = floods as [(typeof floods)[number]];
  await Promise.all(Array.from({ length: 20 }, () => ask(first)));
  expect(service.child.exitCode).toBeNull();
  expect((await call(service.url, "POST", "/v1/notifications", good)).status).toBe(201);
}, 240_000);

describe("the longest body of every other route", () => {
  let url = "";
  let close = async () => {};
  beforeAll(async () => {
    const app = await startApp(loadConfig({ PORT: "0", DB_URI: uri }).config, pino({ level: "silent" }));
    url = app.url ?? "";
    close = app.close;
  });
  afterAll(() => close());
  const items = (item: string, bytes: number) =>
    `[${`${item},`.repeat(Math.floor(bytes / (item.length + 1)))}${item}]`;

  test.each([
    ["POST", "/create", "data"],
    ["POST", "/notifications", "content"],
    ["POST", "/notification/", "title"],
    ["PUT", "/v1/users/alex", "webhook"],
    ["PATCH", "/v1/users/alex", "email"],
    ["POST", "/v1/users/alex/inbox/read-all", "up_to_rev"],
    ["POST", "/v1/users/alex/token", "ttl_seconds"],
    ["POST", "/v1/deliveries/redrive", "status"],
    ["POST", "/v1/types/new_post/preview", "data"],
    ["PUT", "/v1/simulator", "running"],
    ["POST", "/v1/callbacks/mailgun", "signature"],
  ])("%s %s: at most 20 problems, in a short answer", async (method, path, field) => {
    const bodies = [
      `{"${field}":${items("1", 60_000)}}`,
      `{"${field}":${items("{}", 60_000)}}`,
      `{"${field}":"${"x".repeat(60_000)}\\u0000"}`,
      items("1", 60_000),
      manyFields(6_000),
    ];
    for (const body of bodies) {
      const answer = await call(url, method, path, body);
      const shown = JSON.stringify(answer.body);
      expect(answer.status, shown.slice(0, 300)).toBe(400);
      expect(shown.length).toBeLessThan(16 * 1024);
      expect(
        [answer.body.errors ?? answer.body.details ?? answer.body.error?.details ?? []].flat().length,
      ).toBeLessThanOrEqual(20);
    }
  });
});

test("a list that is too long is refused without a look at its items", () => {
  let looks = 0;
  const list = new Proxy(
    Array.from({ length: 1_001 }, () => 1),
    {
      get(target, name, receiver) {
        if (/^\d+$/.test(String(name))) looks++;
        return Reflect.get(target, name, receiver);
      },
    },
  );
  const schema = {
    type: "object",
    properties: { list: { type: "array", maxItems: 1_000, uniqueItems: true, items: { type: "string" } } },
  };
  const error = bodyCheck(schema as Schema)({ list });
  expect(error?.message).toBe("`list` has 1,001 values; send at most 1,000 values.");
  expect(looks).toBe(0);
});
