import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { startService } from "../support/service.ts";

const { uri } = freshDatabase();

const user = "638f394d4b7243fc0399ea67";

/** The status of a call under this name. */
function statusUnder(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/list?user_id=${user}`, { headers }, (answer) => resolve(answer.resume().statusCode))
      .on("error", reject)
      .end();
  });
}

describe("without API_KEYS", () => {
  test.each<[string, number]>([
    ["127.0.0.1:3000", 200],
    ["127.8.8.8", 200],
    ["localhost:3000", 200],
    ["[::1]:3000", 200],
    ["evil.example", 403],
    ["evil.example:3000", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["[::2]:3000", 403],
    ["localhost@evil.example", 403],
    [":3000", 403],
  ])("a page that calls the service %s gets %i", async (host, status) => {
    const own = await startService({ DB_URI: uri });
    expect(await statusUnder(own.url, { host })).toBe(status);
  });

  test("nor does a page get in by a forwarded name, where a proxy is believed", async () => {
    const own = await startService({ DB_URI: uri, TRUST_PROXY: "127.0.0.0/8" });
    expect(await statusUnder(own.url, { host: "evil.example", "x-forwarded-host": "localhost" })).toBe(403);
    expect(await statusUnder(own.url, { host: "localhost", "x-forwarded-host": "app.example" })).toBe(200);
  });
});
