import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { chromiumMissing, expectAccessible, type Page } from "../support/browser.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";

const { variables, visit, user, sign } = inboxes();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const folder = mkdtempSync(join(tmpdir(), "belfry-preferences-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    categories: {
      social: { label: { en: "Comments and likes", ru: "Комментарии", ar: "التعليقات" } },
      security: { label: "Security", locked: true },
    },
    comment: { category: "social", description: "Comments", inbox: true, channels: { email: {}, sms: {} } },
    like: { category: "social", description: "Likes", inbox: true, channels: { email: {} } },
    alarm: { category: "security", inbox: true, channels: { email: {} } },
  }),
);
const own = { ...variables, NOTIFICATION_TYPES_FILE: file };
const key = { authorization: `Bearer ${variables.API_KEYS}` };
const start = () => startService(own);

const tag =
  (more = "") =>
  (): string =>
    `<h1>Settings</h1><belfry-preferences user="${user()}" token-url="/token" ${more}></belfry-preferences>`;

/** A page elsewhere with the tag alone. */
async function open(url: string, more = "", context: object = {}) {
  const { page, go, site } = await visit(url, {
    body: tag(more),
    module: `${url}/preferences.js`,
    context,
  });
  await go();
  const switchOf = (name: string) => page.getByRole("switch", { name, exact: true });
  await page
    .getByRole("heading", { name: "Quiet hours" })
    .or(page.locator("[part=quiet]"))
    .first()
    .waitFor(shown);
  return { page, site, switchOf };
}

const stored = async (url: string) =>
  (await call(url, "GET", `/v1/users/${user()}/preferences`, undefined, key)).body.preferences;
const change = (url: string, patch: object) =>
  call(url, "PATCH", `/v1/users/${user()}/preferences`, patch, key);
const isOn = (page: Page, name: string) => page.getByRole("switch", { name, exact: true }).isChecked();

test("/preferences.js is one module of at most 12 kB gzipped, open to all origins", async () => {
  const { url } = await start();
  const answer = await fetch(`${url}/preferences.js`, { headers: { origin: "https://elsewhere.example" } });
  const text = await answer.text();
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  expect(text).not.toMatch(/\bimport\s*["'({]/);
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(12_000);
});

inBrowser("a switch stores the user's choice, and every open page shows it", async () => {
  const { url } = await start();
  const first = await open(url);
  const second = await open(url);
  await first.switchOf("Comments and likes: E-mail").uncheck();
  await eventually(
    async () => !(await isOn(second.page, "Comments and likes: E-mail")),
    "the other page shows it",
  );
  expect(await stored(url)).toStrictEqual({ categories: { social: { email: false } } });

  await second.page.getByText("In detail").click();
  expect(await isOn(second.page, "Likes: E-mail")).toBe(false);
  await second.switchOf("Comments: E-mail").check();
  await first.page.getByText("In detail").click();
  await eventually(() => isOn(first.page, "Comments: E-mail"), "the first page shows it");
  expect(await stored(url)).toStrictEqual({
    categories: { social: { email: false } },
    types: { comment: { email: true } },
  });
});

inBrowser("a locked category says so, and cannot be changed", async () => {
  const { url } = await start();
  const { switchOf } = await open(url);
  expect(await switchOf("Security: E-mail, Always on").isDisabled()).toBe(true);
});

inBrowser("a pause and quiet hours are set and taken back", async () => {
  const { url } = await start();
  const { page } = await open(url);
  await page.getByRole("button", { name: "For an hour" }).click();
  await page.getByText(/^Paused until/).waitFor(shown);
  const { muted_until } = await stored(url);
  expect(Date.parse(muted_until) - Date.now()).toBeGreaterThan(59 * 60_000);
  await page.getByRole("button", { name: "Resume now" }).click();
  await page.getByRole("button", { name: "For a week" }).waitFor(shown);

  await page.getByRole("switch", { name: "Use quiet hours" }).check();
  await page.getByText("Time zone: UTC").waitFor(shown);
  await page.getByLabel("From", { exact: true }).fill("21:30");
  await page.getByLabel("From", { exact: true }).blur();
  await eventually(async () => (await stored(url)).quiet?.[0]?.from === "21:30", "it is stored");
  expect(await stored(url)).toStrictEqual({ quiet: [{ from: "21:30", to: "07:00" }] });
  await page.getByLabel("To", { exact: true }).fill("21:30");
  await page.getByLabel("To", { exact: true }).blur();
  await page.getByText("Quiet hours must end at another time than they begin.").waitFor(shown);
  await page.getByRole("switch", { name: "Use quiet hours" }).uncheck();
  await eventually(async () => (await stored(url)).quiet === undefined, "they are off");
});

inBrowser("what the service refuses is told, and the switch goes back", async () => {
  const { url } = await start();
  const { page, switchOf } = await open(url);
  await page.route("**/preferences", (route) =>
    route.request().method() === "PATCH"
      ? route.fulfill({
          status: 409,
          json: { code: "preference_locked" },
          headers: { "access-control-allow-origin": "*" },
        })
      : route.continue(),
  );
  await switchOf("Comments and likes: SMS").click();
  await page.getByText("This setting cannot be changed.").waitFor(shown);
  await eventually(() => isOn(page, "Comments and likes: SMS"), "it is as it was");
});

inBrowser("a change by the API shows on the open page", async () => {
  const { url } = await start();
  const { page } = await open(url);
  expect((await change(url, { categories: { social: { sms: false } } })).status).toBe(200);
  await eventually(async () => !(await isOn(page, "Comments and likes: SMS")), "the page shows it");
});

inBrowser.each([
  ["ru", "Комментарии", "Тихие часы", "ltr"],
  ["ar", "التعليقات", "Quiet hours", "rtl"],
])("in %s it has its words and direction", async (locale, label, words, dir) => {
  const { url } = await start();
  const { page } = await open(url, `locale="${locale}"`);
  await page.getByRole("heading", { name: label }).waitFor(shown);
  await page.getByRole("heading", { name: words }).waitFor(shown);
  expect(await page.locator("belfry-preferences [part=root]").getAttribute("dir")).toBe(dir);
});

inBrowser.each(["light", "dark"])("is accessible in %s", async (theme) => {
  const { url } = await start();
  await change(url, { quiet: [{ from: "22:00", to: "07:00" }] });
  const { page } = await open(url, `theme="${theme}"`);
  await page.getByText("In detail").click();
  await expectAccessible(page, `the preferences, ${theme}`);
});

inBrowser("the keyboard alone changes a choice", async () => {
  const { url } = await start();
  const { page } = await open(url);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await eventually(
    async () => (await stored(url)).categories?.social?.inbox === false,
    "the first switch is off",
  );
});

inBrowser("the inbox's gear opens the preferences in its panel, and goes back to the list", async () => {
  const { url } = await start();
  const { page, go, tag: inbox } = await visit(url);
  await go();
  await inbox.open();
  await page.getByRole("button", { name: "Notification settings" }).click();
  await page.getByRole("switch", { name: "Comments and likes: E-mail" }).uncheck();
  await eventually(async () => (await stored(url)).categories?.social?.email === false, "it is stored");
  await expectAccessible(page, "the preferences in the inbox");
  await page.getByRole("button", { name: "Back to notifications" }).click();
  await page.getByText("No notifications yet.").waitFor(shown);
});

inBrowser("a page without a user, and one whose token is refused, say what to do", async () => {
  const { url } = await start();
  const { page } = await visit(url, {
    body: () =>
      `<belfry-preferences></belfry-preferences><belfry-preferences user="${user()}" token="x.y.z"></belfry-preferences>`,
  }).then(async ({ page, go }) => {
    await go();
    return { page };
  });
  await page.getByText("No user given: set the attribute “user”.").waitFor(shown);
  await page.getByText("Your session has expired. Reload the page or sign in again.").waitFor(shown);
  expect(await sign()).toBeTruthy();
});
