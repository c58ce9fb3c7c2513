import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApp } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { builtInTypes } from "../../../src/core/types.ts";
import { errorCodes } from "../../../src/model/errors.ts";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";

// Every answer has one of our shapes and is never a 5xx.

/** Requests an operation; `REQUESTS=2000 npx vitest run test/http/v1/generated.test.ts` is the full form. */
const requests = Number(process.env.REQUESTS ?? 100);

const { uri } = freshDatabase();
let url = "";
let close = async () => {};
beforeAll(async () => {
  const app = await startApp(loadConfig({ PORT: "0", DB_URI: uri }).config, pino({ level: "silent" }));
  url = app.url;
  close = app.close;
});
afterAll(() => close());

const odd = fc.oneof(
  fc.constantFrom(
    "$email",
    "$$ROOT",
    "__proto__",
    "constructor",
    "_bsontype",
    "a.b",
    "%00",
    "..",
    "\0",
    "\ud800",
  ),
  fc.string({ unit: "binary", maxLength: 200 }),
);
/** Few, so that some requests meet the same user or item. */
const user = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("alex", "bob", "A".repeat(24)) },
  { weight: 1, arbitrary: odd },
);
const item = fc.oneof(fc.constantFrom("0".repeat(24), "f".repeat(24)), odd);
const anything = fc.oneof(fc.jsonValue({ maxDepth: 4 }), odd, fc.double(), fc.maxSafeInteger());
/** Each field is missing, as it should be, or anything. */
const fields = (known: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .record(
      Object.fromEntries(
        Object.entries(known).map(([name, good]) => [
          name,
          fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: anything }),
        ]),
      ),
      { requiredKeys: [] },
    )
    .chain((right) =>
      fc.oneof(
        { weight: 8, arbitrary: fc.constant(right as unknown) },
        {
          weight: 1,
          arbitrary: fc.dictionary(odd, anything, { maxKeys: 3 }).map((more) => ({ ...right, ...more })),
        },
        { weight: 1, arbitrary: anything },
      ),
    );

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const webhook = fc.record({
  url: fc.oneof(fc.webUrl({ validSchemes: ["https"] }), text),
  secrets: fc.array(fc.oneof(fc.constant(`whsec_${"A".repeat(43)}=`), text), { maxLength: 3 }),
});
const orNull = (good: fc.Arbitrary<unknown>) => fc.option(good);
const profile = {
  email: orNull(fc.oneof(fc.emailAddress(), text)),
  phone: orNull(fc.oneof(fc.constant("+12025550123"), text)),
  locale: orNull(fc.oneof(fc.constantFrom("de", "pt-BR", "zh-Hant-TW"), text)),
  time_zone: orNull(fc.oneof(fc.constantFrom("UTC", "Europe/Berlin"), text)),
  webhook: orNull(webhook),
};
const notification = {
  recipients: fc.uniqueArray(user, { minLength: 1, maxLength: 3 }),
  type: fc.constantFrom(...Object.keys(builtInTypes)),
  title: text,
  body: text,
  data: fc.dictionary(text, fc.jsonValue()),
  target_id: fc.constant("a".repeat(24)),
  channels: fc.subarray(["email", "sms", "webhook", "inbox"], { minLength: 1 }),
};
const query = fields({
  limit: fc.integer({ min: 1, max: 100 }),
  skip: fc.integer({ min: 0, max: 10 }),
  cursor: fc.constant(Buffer.from("v1.AAAAAAAAAAAAAAAA.1/a").toString("base64url")),
  unread: fc.boolean(),
  archived: fc.constantFrom("true", "false", "any"),
  type: text,
  target_id: fc.constant("a".repeat(24)),
});

interface Request {
  path: string;
  query?: unknown;
  body?: unknown;
  headers?: Record<string, string>;
}
const at = (...parts: Array<string | fc.Arbitrary<string>>): fc.Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => (typeof part === "string" ? fc.constant(part) : part.map(encoded))))
    .map((all) => all.join(""));
/** A half surrogate has no form in a path; `.` and `..` are taken out of it by every client. */
const encoded = (id: string) => (/^\.*$/.test(id) ? "alex" : encodeURIComponent(id.toWellFormed()));

const operations: Array<[string, fc.Arbitrary<Request>]> = [
  ["GET", fc.record({ path: at("/v1/users/", user) })],
  ["PUT", fc.record({ path: at("/v1/users/", user), body: fields(profile) })],
  ["PATCH", fc.record({ path: at("/v1/users/", user), body: fields(profile) })],
  ["DELETE", fc.record({ path: at("/v1/users/", user) })],
  ["GET", fc.record({ path: at("/v1/users/", user, "/inbox"), query })],
  ["GET", fc.record({ path: at("/v1/users/", user, "/inbox/", item) })],
  ["DELETE", fc.record({ path: at("/v1/users/", user, "/inbox/", item) })],
  ...["read", "unread", "archive", "unarchive"].map((change): [string, fc.Arbitrary<Request>] => [
    "POST",
    fc.record({ path: at("/v1/users/", user, "/inbox/", item, `/${change}`), body: anything }),
  ]),
  ...["read-all", "seen"].map((what): [string, fc.Arbitrary<Request>] => [
    "POST",
    fc.record({ path: at("/v1/users/", user, `/inbox/${what}`), body: fields({ up_to_rev: fc.nat() }) }),
  ]),
  [
    "POST",
    fc.record({
      path: fc.constant("/v1/notifications"),
      body: fields(notification),
      headers: fc
        .option(fc.string({ maxLength: 20 }))
        .map((key): Record<string, string> => (key === null ? {} : { "idempotency-key": key })),
    }),
  ],
];

test.each(operations)(
  `%s: ${requests} requests of any kind, no 5xx (%#)`,
  async (method, request) => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(request, async ({ path, query: parameters, body, headers }) => {
        const entries = Object.entries((parameters ?? {}) as object).map(
          ([name, value]): [string, string] => [
            name,
            typeof value === "object" ? JSON.stringify(value) : String(value),
          ],
        );
        const asked = entries.length > 0 ? `${path}?${new URLSearchParams(entries)}` : path;
        const answer = await call(url, method, asked, body && JSON.stringify(body), headers);
        seen.add(answer.status);
        expect(answer.status, JSON.stringify([asked, body, answer.body])).toBeLessThan(500);
        if (answer.status < 400) return;
        const { code, status } = answer.body;
        expect(Object.keys(errorCodes)).toContain(code);
        expect(status).toBe(answer.status);
      }),
      { numRuns: requests },
    );
    // It met more than one wall.
    expect(seen.size).toBeGreaterThan(0);
  },
  600_000,
);
