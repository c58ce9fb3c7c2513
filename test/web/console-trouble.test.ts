import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ObjectId } from "mongodb";
import type { Request } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { capturedOf } from "../../src/store/captured.ts";
import { chromiumMissing } from "../support/browser.ts";
import { freePort } from "../support/free-port.ts";
import { eventually, startService } from "../support/service.ts";
import { consoles, goTo, mailIn } from "./support/console.ts";

const { uri, db, open, browser } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const problem = (status: number, code: string, headers: Record<string, string> = {}) => ({
  status,
  headers: { "content-type": "application/problem+json", ...headers },
  body: JSON.stringify({ type: "about:blank", status, code, detail: "What the server says." }),
});

inBrowser("asks for the API key once per session, with the reason, and keeps it in the tab", async () => {
  const key = "a key of the console's test".replaceAll(" ", "-");
  const { page } = await open({ variables: { API_KEYS: key, TOKEN_SECRET: "s".repeat(32) } });
  const dialog = page.getByRole("dialog", { name: "API key required" });
  await dialog.getByText("An API key is required: one of the server's API_KEYS.").waitFor(shown);
  await page.getByLabel("API key", { exact: true }).fill("no-key-of-this-server");
  await page.getByRole("button", { name: "Continue" }).click();
  await dialog.getByText("The server does not accept this key.").waitFor(shown);
  await page.getByRole("button", { name: "Not now" }).click();
  await page.getByText("An API key is required.").first().waitFor(shown);

  await page.getByRole("button", { name: "Enter the key" }).first().click();
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.keyboard.press("Enter");
  await expect.poll(() => page.locator("option").count()).toBeGreaterThan(3);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).waitFor(shown);
  await page.reload();
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).waitFor(shown);
  expect(await dialog.isVisible()).toBe(false);
  expect(JSON.stringify(await page.context().storageState())).not.toContain(key);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole("dialog", { name: "API key required" }).waitFor(shown);

  await page.getByRole("button", { name: "Forget the API key" }).click();
  await dialog.waitFor(shown);
});

inBrowser("explains the missing inbox when TOKEN_SECRET is not set", async () => {
  const key = "another-key-of-the-console";
  const { page } = await open({ variables: { API_KEYS: key }, at: "#/users/alex" });
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("Set TOKEN_SECRET to see inboxes here.").waitFor(shown);
});

const hostile = {
  user: `<b>x"'/../?#&`,
  title: `<img src=x onerror="top.pwned=1"><script>top.pwned=1</script>`,
  body: `\u202Ereversed ${"😀".repeat(1_500)} javascript:top.pwned=1 </p></div><script>top.pwned=1</script>`,
};

inBrowser("shows content as text everywhere, never as HTML", async () => {
  const { page, ask } = await open();
  const { user, title, body } = hostile;
  const at = encodeURIComponent(user);
  const data = { url: "javascript:top.pwned=1", "<i>": "</textarea><script>top.pwned=1</script>" };
  await ask("POST", "/v1/notifications", { recipients: [user], type: "direct", title, body, data });
  const { id } = await eventually(
    async () => (await ask("GET", `/v1/deliveries?channel=email&status=sent&user_id=${at}`)).body.data[0],
    "to be sent",
  );
  const places: Array<[string, string]> = [
    [`#/users/${at}`, user],
    [`#/users?q=${at}`, user],
    [`#/deliveries`, user],
    [`#/deliveries/${id}`, user],
    [`#/deliveries?user_id=${at}`, user],
    [`#/captured`, title],
    [`#/captured/${id}`, title],
    [`#/types/${at}`, user],
    [`#/${at}`, user],
  ];
  for (const [hash, text] of places) {
    await goTo(page, hash);
    await page.locator("main").getByText(text).first().waitFor(shown);
  }
  await goTo(page, `#/captured/${id}`);
  await mailIn(page).getByText("reversed").waitFor(shown);
  await goTo(page, "#/types/direct");
  await page.getByLabel("Title").fill(title);
  await page.locator("figcaption").getByText(title).waitFor(shown);
  await goTo(page, "#/send");
  await page.getByLabel("Title").fill(title);
  await page.getByRole("textbox", { name: /^To/ }).fill(`${user}\n`);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator("figcaption").getByText(title).waitFor(shown);
  await page.locator("belfry-inbox").getByText(title).first().waitFor(shown);
  expect(await page.evaluate("globalThis.pwned")).toBeUndefined();
});

inBrowser("a mail's HTML is shown without scripts, forms or requests", async () => {
  const service = await startService({ DB_URI: uri });
  const page = await browser.page();
  const asked: Request[] = [];
  page.on("request", (request) => asked.push(request));
  const arrived: string[] = [];
  const server = createServer(({ url = "" }, response) => {
    arrived.push(url);
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const _id = new ObjectId();
  const html = `<style>p { color: rgb(1, 2, 3) }</style><p style="font-weight: 700">Seen</p>
    <script>top.pwned = 1</script><img src="${elsewhere}/pixel.png" onerror="top.pwned = 1">
    <form action="${elsewhere}/form"><button>Press</button></form>
    <a href="${elsewhere}/" target="_top">Leave</a><a href="javascript:top.pwned=1">Run</a>
    <meta http-equiv="refresh" content="0; url=${elsewhere}/refresh"><iframe src="/"></iframe>`;
  const message = {
    channel: "email" as const,
    at: new Date(),
    to: "a@b.example",
    subject: "Wild",
    html,
    text: "",
  };
  await capturedOf(db).insertOne({ _id, user_id: "alex", ...message });
  await page.goto(`${service.url}/#/captured/${_id}`);
  const mail = mailIn(page);
  await mail.getByText("Seen").waitFor(shown);
  const looks = "getComputedStyle(document.querySelector('p'))";
  const style = await page
    .frames()
    .find((one) => one.url() === "about:srcdoc")
    ?.evaluate(`[${looks}.color, ${looks}.fontWeight]`);
  expect(style).toEqual(["rgb(1, 2, 3)", "700"]);
  for (const name of ["Press", "Leave", "Run"]) await mail.getByText(name).click();
  await page.getByRole("button", { name: "Headers" }).click();
  await page.getByText("a@b.example").last().waitFor(shown);
  expect(await page.evaluate("globalThis.pwned")).toBeUndefined();
  expect(arrived).toEqual([]);
  // Of what the policy refuses the browser tells, too, when it is asked in time.
  const allowed = asked.filter((one) => one.failure()?.errorText !== "csp").map((one) => one.url());
  expect(allowed.filter((url) => !url.startsWith(service.url) && !url.startsWith("data:"))).toEqual([]);
});

inBrowser("keeps what was loaded while the server is away, and says that it is", async () => {
  const port = await freePort();
  const { page, service, ask } = await open({ at: "#/users/quiet", variables: { PORT: port } });
  await ask("PUT", "/v1/users/quiet", {});
  await page.getByText("Nothing has been sent to this user.").waitFor(shown);
  await service.close();
  const gone = page.getByRole("alert").getByText("Belfry does not answer.").first();
  await gone.waitFor(shown);
  await page.getByRole("heading", { name: "quiet", exact: true }).waitFor(shown);
  const again = await startService({ DB_URI: uri, PORT: port });
  await gone.waitFor({ state: "hidden" });
  expect(again.url).toBe(service.url);
  await page.context().setOffline(true);
  await page.getByText("This device is offline.").first().waitFor(shown);
  await page.context().setOffline(false);
  await page.getByText("This device is offline.").first().waitFor({ state: "hidden" });
});

inBrowser("429, 500, 503, a proxy's answer and a slow answer are each a sentence", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.getByText("Stopped.").waitFor(shown);
  const alert = page.getByRole("alert");
  for (const [answer, says] of [
    [
      problem(429, "too_many_requests", { "retry-after": "7" }),
      /Too many requests from this address. Wait 7 s/,
    ],
    [problem(500, "internal", { "x-request-id": "id-of-it" }), /The server failed. .* request id id-of-it/],
    [problem(503, "database_unavailable", { "retry-after": "2" }), /What the server says. Try again in 2 s/],
    [{ status: 502, body: "<h1>Bad gateway</h1>" }, /does not come from Belfry \(502\)/],
    [{ status: 200, body: "<h1>Log in</h1>" }, /does not come from Belfry\./],
    [problem(403, "forbidden"), /This is a user token/],
  ] as const) {
    await page.route("**/v1/ledger", (route) => route.fulfill(answer));
    await goTo(page, "#/live");
    await alert.getByText(says).waitFor(shown);
    await page.unroute("**/v1/ledger");
    await goTo(page, "#/simulator");
    await page.getByText("Stopped.").waitFor(shown);
  }
  // Time passes by itself while an answer does not come.
  await page.clock.install();
  await page.route("**/v1/stats", () => {});
  await goTo(page, "#/live");
  await page.getByText("Loading…").first().waitFor(shown);
  await page.clock.fastForward(5_000);
  await page.getByText("Still loading…").first().waitFor(shown);
});
