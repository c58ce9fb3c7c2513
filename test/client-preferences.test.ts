import { afterAll, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { BelfryClient, type LiveView } from "../src/client/index.ts";
import { createBelfry } from "../src/library.ts";
import { freshDatabase } from "./support/database.ts";
import { eventually, startService } from "./support/service.ts";

const { uri, client: mongo } = freshDatabase();
const belfry = createBelfry({ client: mongo, timeZone: "Europe/Berlin" });
afterAll(() => belfry.close());
const apiKey = "key-of-sixteen-characters";

test("a page reads and changes its user's preferences, and every open page hears of it", async () => {
  const { url } = await startService({ DB_URI: uri, API_KEYS: apiKey, TOKEN_SECRET: "s".repeat(32) });
  const program = new BelfryClient({ server: url, apiKey, user: "ann" });
  const { token } = await program.createToken();
  const page = new BelfryClient({ server: url, user: "ann", token, WebSocket });
  expect(await page.preferences.get()).toMatchObject({ preferences: {}, time_zone: "UTC" });
  await expect(page.as("bob").preferences.get()).rejects.toMatchObject({ code: "forbidden" });

  const views: Record<string, LiveView> = {};
  for (const transport of ["websocket", "events"] as const) {
    const live = page.live({ transport, onChange: (view) => Object.assign(views, { [transport]: view }) });
    onTestFinished(() => live.close());
  }
  const everywhere = (rev: number | undefined) =>
    eventually(
      () =>
        Object.values(views).length === 2 &&
        Object.values(views).every((one) => one.connection === "live" && one.preferences_rev === rev),
      `both pages know ${rev}`,
    );
  await everywhere(undefined);

  const changed = await page.preferences.patch({ types: { new_login: { email: false } } });
  expect(changed.preferences).toEqual({ types: { new_login: { email: false } } });
  await everywhere(changed.preferences_rev);
  expect(views.websocket).toMatchObject({ rev: changed.preferences_rev, items: [] });

  // Another change of the inbox leaves it; a program in another process changes it.
  await belfry.notify({ user: "ann", type: "new_message" });
  await eventually(() => Object.values(views).every(({ total }) => total === 1), "both pages have the item");
  await everywhere(changed.preferences_rev);
  const merged = await belfry.preferences.merge("ann", { "*": { sms: "daily" } });
  expect(merged).toMatchObject({
    preferences: { "*": { sms: "daily" }, types: { new_login: { email: false } } },
    time_zone: "Europe/Berlin",
  });
  await everywhere(merged.preferences_rev);
  const [first] = views.events?.items ?? [];
  expect(await page.inbox.read(first?.id as string)).toMatchObject({
    preferences_rev: merged.preferences_rev,
  });

  await page.preferences.put({});
  expect((await belfry.preferences.get("ann")).preferences).toEqual({});
  await program.profile.remove();
  await everywhere(undefined);
});

test("the library checks as the service does", async () => {
  const { preferences } = belfry;
  expect((await preferences.replace("bob", { "*": false })).preferences).toEqual({ "*": false });
  expect((await preferences.merge("bob", { "*": null })).preferences).toEqual({});
  for (const [written, pointer] of [
    [{ types: { new_logn: false } }, "/types/new_logn"],
    [{ "*": "monthly" }, "/preferences/*"],
    [{ topic: {} }, "/preferences/topic"],
  ] as const) {
    const refused = await preferences.merge("bob", written as never).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "invalid_request", details: [{ pointer }] });
  }
});
