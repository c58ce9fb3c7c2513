import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { consoles, goTo, phone } from "./support/console.ts";

const { open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser("each empty view says what to do, with a link", async () => {
  const { page } = await open({ context: phone });
  await page.getByText("Press Send.").waitFor(shown);
  for (const [view, says] of [
    ["deliveries", "Nothing has been sent yet."],
    ["users", "There are no users yet."],
    ["live", "Nothing was sent in the last hour."],
  ] as const) {
    await goTo(page, `#/${view}`);
    await page.getByText(says).waitFor(shown);
    await page.getByRole("link", { name: "start the simulator" }).tap();
    await page.getByRole("heading", { name: "Simulator" }).waitFor(shown);
  }
  await goTo(page, "#/captured");
  await page.getByText("No messages have been captured.").waitFor(shown);
  await page.getByRole("main").getByRole("link", { name: "Send" }).tap();
  await page.getByText("Press Send.").waitFor(shown);
  await page.getByRole("button", { name: "Send", exact: true }).tap();
  await page.getByText("Stored: it survives a crash from now on.").waitFor(shown);
  expect(await page.getByText("Press Send.").isVisible()).toBe(false);
});

inBrowser("the page warns of a virtual clock", async () => {
  const { page } = await open({ variables: { CLOCK: "virtual" } });
  await page.getByText("The clock is virtual: tests move the time").waitFor(shown);
});

inBrowser("Send shows a curl call that sends exactly the form's content", async () => {
  const { page } = await open();
  await page.getByRole("textbox", { name: /^To/ }).fill("alex, o'hara");
  await page.getByLabel("Title").fill(`It's "here": $HOME \`id\` \\ 'x'`);
  await page.getByRole("textbox", { name: /^Target/ }).fill("0123456789abcdef01234567");
  await page.getByText("The same with curl").click();
  const call = await page.getByLabel("The curl command").textContent();
  const [request] = await Promise.all([
    page.waitForRequest("**/v1/notifications"),
    page.getByRole("button", { name: "Send", exact: true }).click(),
  ]);
  // A shell of its own reads it, with something in curl's place that tells what it was given.
  const told = execFileSync("sh", ["-c", `curl() { printf '%s\\0' "$@"; }\n${call}`], { encoding: "utf8" });
  const given = told.split("\0").slice(0, -1);
  expect(given.slice(0, -1)).toEqual([request.url(), "-H", "content-type: application/json", "-d"]);
  expect(JSON.parse(given.at(-1) as string)).toEqual(request.postDataJSON());
});

inBrowser("the curl call names a variable instead of the API key", async () => {
  const key = "key-of-sixteen-characters";
  const { page } = await open({ variables: { API_KEYS: key, TOKEN_SECRET: "s".repeat(32) } });
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: "direct" }).waitFor({ state: "attached" });
  await page.getByText("The same with curl").click();
  await page.getByLabel("The curl command").getByText("authorization: Bearer $BELFRY_KEY").waitFor(shown);
  expect(await page.getByRole("main").textContent()).not.toContain(key);
});

inBrowser("Send sends the target id, and checks its format before", async () => {
  const { page, ask } = await open();
  const target = page.getByRole("textbox", { name: /^Target/ });
  const send = page.getByRole("button", { name: "Send", exact: true });
  await page.getByRole("textbox", { name: /^To/ }).fill("tina");
  await target.fill("order 4711");
  await send.click();
  expect(await target.evaluate((field: { validationMessage: string }) => field.validationMessage)).not.toBe(
    "",
  );
  await target.fill("638f394d4b7243fc0399ea67");
  await send.click();
  await page.locator(".steps").getByText("unread").waitFor(shown);
  const { items } = (await ask("GET", "/v1/users/tina/inbox")).body;
  expect(items.map((one: { target_id: string }) => one.target_id)).toEqual(["638f394d4b7243fc0399ea67"]);
});

inBrowser("keeps a user whose erasure failed, with the reason and a retry", async () => {
  const { page, ask } = await open({ at: "#/users/una" });
  await ask("PUT", "/v1/users/una", { email: "una@example.com" });
  let isBroken = true;
  await page.route("**/v1/users/una", (route) =>
    isBroken && route.request().method() === "DELETE"
      ? route.fulfill({
          status: 503,
          headers: { "content-type": "application/problem+json", "retry-after": "2" },
          body: JSON.stringify({ status: 503, code: "database_unavailable", detail: "More is left." }),
        })
      : route.fallback(),
  );
  await page.getByRole("button", { name: "Erase this user…" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase una?" });
  await dialog.getByText("The profile, inbox, suppressed addresses and captured messages.").waitFor(shown);
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await dialog.getByText("More is left. Try again in 2 s.").waitFor(shown);
  isBroken = false;
  await dialog.getByRole("button", { name: "Try again" }).click();
  await page.getByText("una was erased.").waitFor(shown);
  expect((await ask("GET", "/v1/users/una")).status).toBe(404);
});

inBrowser("reports an unreachable server once per view", async () => {
  const { page } = await open();
  // By itself it would try again, too.
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60_000);
  await page.route("**/v1/**", (route) => route.abort());
  await goTo(page, "#/users/alex");
  const gone = page.getByText("Belfry does not answer.");
  await gone.first().waitFor(shown);
  await expect.poll(() => gone.count()).toBe(1);
  await page.unroute("**/v1/**");
  await page.getByRole("button", { name: "Try again" }).click();
  await gone.waitFor({ state: "detached" });
  await page.getByLabel("Time zone").waitFor(shown);
});
