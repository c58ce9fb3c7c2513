import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

/** Chromium without its window and its own pages: it opens a page for a third of the processor time. */
const shell = "/usr/bin/chromium-headless-shell";
const missing = "no Chromium to test with: apt-get install chromium-headless-shell";
const known = [shell, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** Looked for each time: `installChromium` may have run since this file was loaded. */
const findChromium = (): string | undefined => known.find((path) => existsSync(path));

/** The program, for callers that start it otherwise than `openPage` does. */
export function chromiumPath(): string {
  const path = findChromium();
  if (!path) throw new Error(missing);
  return path;
}

/** Once for the whole run: Debian's own, where this process may install it. */
export function installChromium(log: (message: string) => void): void {
  if (existsSync(shell) || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  log("installing Chromium for the browser tests: apt-get install chromium-headless-shell");
  const install = "apt-get install --yes --no-install-recommends chromium-headless-shell fonts-dejavu-core";
  spawnSync("sh", ["-c", `${install} || { apt-get update && ${install}; }`], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: "ignore",
  });
}

/** Why no browser can be run here, to skip with. With `CI=true` nothing is skipped: it throws. */
export function chromiumMissing(): string | undefined {
  if (findChromium()) return undefined;
  if (process.env.CI === "true") throw new Error(missing);
  process.stderr.write(`\nSKIPPED: ${missing}\n\n`);
  return missing;
}

export interface Page {
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** What DevTools sees: `navigator.onLine` and the connections. */
  setOffline(offline: boolean): Promise<void>;
  /** What the page wrote to the console, and errors that nobody caught. */
  output: string[];
  close(): Promise<void>;
}

/** A page in a real browser, through the DevTools protocol. */
export async function openPage(url: string): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), "belfry-chromium-"));
  const browser = spawn(
    chromiumPath(),
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    // A group of its own: its helpers go with it.
    { stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
  const ended = once(browser, "exit");
  const close = async () => {
    if (browser.exitCode === null && browser.signalCode === null)
      process.kill(-(browser.pid as number), "SIGKILL");
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
  };
  try {
    const endpoint = await new Promise<string>((resolve, reject) => {
      createInterface({ input: browser.stderr }).on("line", (line) => {
        const found = /^DevTools listening on (ws:\S+)/.exec(line)?.[1];
        if (found) resolve(found);
      });
      ended.then(() => reject(new Error("Chromium did not start")));
    });
    const target = await fetch(`http://${new URL(endpoint).host}/json/new?about:blank`, { method: "PUT" });
    const { webSocketDebuggerUrl } = (await target.json()) as { webSocketDebuggerUrl: string };
    const socket = new WebSocket(webSocketDebuggerUrl);
    await once(socket, "open");
    return await drive(socket, url, close);
  } catch (error) {
    await close();
    throw error;
  }
}

interface Reply {
  id?: number;
  method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: the protocol has hundreds of shapes
  params?: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  result?: any;
  error?: { message: string };
}

async function drive(socket: WebSocket, url: string, close: () => Promise<void>): Promise<Page> {
  const output: string[] = [];
  const waiting = new Map<number, (reply: Reply) => void>();
  let sent = 0;
  socket.on("message", (data) => {
    const reply: Reply = JSON.parse(String(data));
    if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    if (reply.method === "Runtime.exceptionThrown")
      output.push(reply.params.exceptionDetails.exception?.description ?? "an exception");
    if (reply.method === "Runtime.consoleAPICalled")
      output.push(reply.params.args.map((one: { value?: unknown }) => String(one.value)).join(" "));
  });
  async function tell(method: string, params: object = {}): Promise<Reply["result"]> {
    const id = ++sent;
    const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await reply;
    waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }
  await tell("Runtime.enable");
  await tell("Network.enable");
  await tell("Page.navigate", { url });
  return {
    output,
    close,
    async evaluate(expression) {
      const { result } = await tell("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      return result.value;
    },
    setOffline: (offline) =>
      tell("Network.emulateNetworkConditions", {
        offline,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput: -1,
      }),
  };
}
