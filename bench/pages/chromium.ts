import {
  type Browser,
  type BrowserContextOptions,
  type CDPSession,
  chromium,
  type Page,
} from "playwright-core";
import { chromiumMissing, chromiumPath, installChromium } from "../../test/support/chromium.ts";

/** What a page is looked at with. */
export interface Sight {
  name: "desk" | "phone";
  options: BrowserContextOptions;
  /** So many times slower than this machine, as DevTools emulates it. */
  slowdown: number;
}

export const sights: Sight[] = [
  { name: "desk", options: { viewport: { width: 1280, height: 800 } }, slowdown: 1 },
  {
    name: "phone",
    options: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
    slowdown: 4,
  },
];

export interface Tab {
  page: Page;
  cdp: CDPSession;
  sight: Sight;
  /** As slow as its sight says, from now on; or as quick as this machine is. */
  slow(isSlow: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface Chromium {
  version: string;
  /** Of the group that all its processes are in. */
  group: number;
  /** A page with storage and cache of its own. `init`: what runs in each document before anything of its own. */
  open(sight: Sight, init?: string): Promise<Tab>;
  close(): Promise<void>;
}

export async function startChromium(say: (line: string) => void): Promise<Chromium> {
  installChromium(say);
  const missing = chromiumMissing();
  if (missing) throw new Error(missing);
  const server = await chromium.launchServer({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
  const browser: Browser = await chromium.connect(server.wsEndpoint());
  return {
    version: browser.version(),
    group: server.process().pid as number,
    async open(sight, init) {
      const context = await browser.newContext({ ...sight.options, locale: "en" });
      if (init) await context.addInitScript(init);
      const page = await context.newPage();
      const cdp = await context.newCDPSession(page);
      const slow = async (isSlow: boolean) => {
        await cdp.send("Emulation.setCPUThrottlingRate", { rate: isSlow ? sight.slowdown : 1 });
      };
      return { page, cdp, sight, slow, close: () => context.close() };
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
