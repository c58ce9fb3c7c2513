import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, startApp } from "../src/app.ts";
import { loadConfig } from "../src/config/load.ts";
import { createLinks } from "../src/core/links.ts";
import { chromiumMissing, complaintsOf, expectAccessible, freshBrowser } from "./support/browser.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually } from "./support/service.ts";

// The pages of links in messages, in a browser without JavaScript.

const { uri, db } = freshDatabase();
const browser = freshBrowser();
const inBrowser = test.skipIf(chromiumMissing());
const folder = mkdtempSync(join(tmpdir(), "belfry-page-"));
afterAll(() => rmSync(folder, { recursive: true }));
const NOTIFICATION_TYPES_FILE = join(folder, "types.json");
writeFileSync(
  NOTIFICATION_TYPES_FILE,
  JSON.stringify({
    categories: {
      social: { label: { en: "<Comments> & likes", ru: "Комментарии" } },
      billing: { label: "Billing", locked: true },
    },
    comment: { category: "social", inbox: true, channels: { email: {}, sms: {} } },
    like: { category: "social", inbox: true, channels: { email: {} } },
    invoice: { category: "billing", inbox: false, channels: { email: {} } },
    story: { inbox: false, channels: { email: {} } },
  }),
);
const secret = "first-secret-of-over-32-characters";
const publicUrl = "https://notify.example";
const links = createLinks({ secrets: [secret], publicUrl });
const auth = { authorization: "Bearer first-key-of-26-characters" };

let app: App;
beforeAll(async () => {
  const { config } = loadConfig({
    PORT: "0",
    DB_URI: uri,
    NOTIFICATION_TYPES_FILE,
    API_KEYS: "first-key-of-26-characters",
    TOKEN_SECRET: secret,
    PUBLIC_URL: publicUrl,
  });
  app = await startApp(config, pino({ level: "silent" }));
});
afterAll(() => app.close());

let users = 0;
async function newUser(profile: object = {}): Promise<string> {
  const user = `user${++users}`;
  await call(app.url, "PUT", `/v1/users/${user}`, { email: "a@example.com", ...profile }, auth);
  return user;
}
const pageOf = (user: string) => `/p/${links.preferencesToken(user)}`;
const preferencesOf = async (user: string) =>
  (await db.collection("users").findOne({ _id: user as never }))?.notificationPreferences;
const form = { "content-type": "application/x-www-form-urlencoded" };

describe("the preference page", () => {
  inBrowser("saves what the reader changes, and nothing else", async () => {
    const user = await newUser();
    await call(
      app.url,
      "PUT",
      `/v1/users/${user}/preferences`,
      { types: { like: { email: "daily" } } },
      auth,
    );
    const page = await browser.page({ javaScriptEnabled: false });
    await page.goto(app.url + pageOf(user));
    const social = page.getByRole("group", { name: "<Comments> & likes" });
    await social.getByLabel("All: E-mail").selectOption("Weekly");
    await page.getByLabel("Story: E-mail").selectOption("Off");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").getByText("Saved.").waitFor();
    expect(await preferencesOf(user)).toEqual({
      categories: { social: { email: "weekly" } },
      types: { like: { email: "daily" }, story: { email: false } },
    });
    expect(await social.getByLabel("All: E-mail").inputValue()).toBe("weekly");
    expect(await social.getByLabel("Comment: E-mail").inputValue()).toBe("weekly");
    expect(await social.getByLabel("Like: E-mail").inputValue()).toBe("daily");
    expect(await page.getByLabel("All: E-mail").nth(1).isDisabled()).toBe(true);
    expect(complaintsOf(page)).toEqual([]);
  });

  inBrowser(
    "has the tag in the form's place where there are scripts, and its token is enough for it",
    async () => {
      const user = await newUser();
      const page = await browser.page();
      await page.goto(app.url + pageOf(user));
      const tag = page.locator("belfry-preferences");
      await tag.getByRole("heading", { name: "<Comments> & likes" }).waitFor();
      expect(await page.getByRole("button", { name: "Save" }).isVisible()).toBe(false);
      await tag.getByRole("switch", { name: "<Comments> & likes: E-mail" }).uncheck();
      await eventually(async () => preferencesOf(user), "the choice is stored");
      expect(await preferencesOf(user)).toEqual({ categories: { social: { email: false } } });
      expect(complaintsOf(page)).toEqual([]);
    },
  );

  inBrowser("is accessible, and so is the unsubscribe page, in light and dark, on a phone", async () => {
    const user = await newUser();
    const { unsubscribe = "" } = links.of({ key: "story", mandatory: false }, "email", user) ?? {};
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.page({ colorScheme, viewport: { width: 320, height: 640 } });
      for (const path of [new URL(unsubscribe).pathname, pageOf(user), "/u/x"]) {
        await page.goto(app.url + path);
        await expectAccessible(page, `${path} ${colorScheme}`);
        const [width, body] = (await page.evaluate("[innerWidth, document.documentElement.scrollWidth]")) as [
          number,
          number,
        ];
        expect(body, path).toBeLessThanOrEqual(width);
      }
      expect(complaintsOf(page)).toEqual([]);
    }
  });

  inBrowser("is one click away from the unsubscribe page, which can be undone", async () => {
    const user = await newUser({ locale: "ru" });
    await call(
      app.url,
      "PUT",
      `/v1/users/${user}/preferences`,
      { categories: { social: { email: "daily" } } },
      auth,
    );
    const { unsubscribe = "" } =
      links.of({ key: "comment", mandatory: false, category: "social" }, "email", user) ?? {};
    const page = await browser.page({ javaScriptEnabled: false });
    await page.goto(app.url + new URL(unsubscribe).pathname);
    await page.getByRole("button", { name: "Отписаться" }).click();
    await page.getByRole("heading", { name: "Вы отписались" }).waitFor();
    expect(await preferencesOf(user)).toEqual({ categories: { social: { email: false } } });
    await page.getByRole("button", { name: "Вернуть" }).click();
    await page.getByRole("heading", { name: "Вы снова подписаны" }).waitFor();
    expect(await preferencesOf(user)).toEqual({ categories: { social: { email: "daily" } } });
    await page.getByRole("link", { name: "Выбрать, что получать" }).click();
    await page.getByRole("heading", { name: "Уведомления" }).waitFor();
    expect(await page.getByRole("group", { name: "Комментарии" }).getByLabel("Все: Почта").inputValue()).toBe(
      "daily",
    );
  });

  test("undo turns e-mails on, also when another choice had turned them off", async () => {
    const user = await newUser();
    const { unsubscribe = "" } =
      links.of({ key: "comment", mandatory: false, category: "social" }, "email", user) ?? {};
    const path = new URL(unsubscribe).pathname;
    const types = { comment: { email: false }, like: { email: false } };
    await call(app.url, "PUT", `/v1/users/${user}/preferences`, { "*": { email: false }, types }, auth);
    expect((await call(app.url, "GET", path)).body).toContain("You are unsubscribed");
    const { body } = await call(app.url, "POST", path, "undo=true", form);
    expect(body).toContain("You are subscribed again");
    expect(await preferencesOf(user)).toEqual({
      "*": { email: false },
      categories: { social: { email: true } },
    });
  });

  test("ignores fields that are not its own, and refuses locked and unknown ones", async () => {
    const user = await newUser();
    const post = (body: string) => call(app.url, "POST", pageOf(user), body, form);
    expect((await post("x=1&__proto__=2&categories:social=false&types:story:email:true=maybe")).status).toBe(
      200,
    );
    for (const body of [
      "categories:billing:email:true=false",
      "types:__proto__:email:true=false",
      "types:nothing:email:true=false",
      "categories:social:pigeon:true=false",
    ])
      expect((await post(body)).status, body).toBeGreaterThanOrEqual(400);
    expect(await preferencesOf(user)).toBeUndefined();
    expect(({} as Record<string, unknown>).email).toBeUndefined();
  });

  test("its token is a bearer for its user's preferences until the user is erased, and then creates nobody", async () => {
    const user = await newUser();
    const bearer = { authorization: `Bearer ${links.preferencesToken(user)}` };
    const path = `/v1/users/${user}/preferences`;
    const off = { types: { story: { email: false } } };
    expect((await call(app.url, "PATCH", path, off, bearer)).body.preferences).toEqual(off);
    expect((await call(app.url, "GET", path, undefined, bearer)).body.preferences).toEqual(off);
    expect((await call(app.url, "PUT", path, {}, bearer)).status).toBe(403);
    await call(app.url, "DELETE", `/v1/users/${user}`, undefined, auth);
    expect((await call(app.url, "PATCH", path, off, bearer)).status).toBe(401);
    expect((await call(app.url, "GET", path, undefined, bearer)).status).toBe(401);
    expect((await call(app.url, "POST", pageOf(user), "types:story:email:true=false", form)).status).toBe(
      404,
    );
    expect(await db.collection("users").countDocuments({ _id: user as never })).toBe(0);
  });

  test("the token of an unsubscribe link is no bearer", async () => {
    const user = await newUser();
    const { unsubscribe } = links.of({ key: "story", mandatory: false }, "email", user) ?? {};
    const bearer = { authorization: `Bearer ${unsubscribe?.split("/").at(-1)}` };
    expect((await call(app.url, "GET", `/v1/users/${user}/preferences`, undefined, bearer)).status).toBe(401);
  });
});
