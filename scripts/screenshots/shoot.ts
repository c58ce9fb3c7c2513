import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";

export interface Sight {
  /** As in the file's name: `phone-dark`. */
  name: string;
  options: BrowserContextOptions;
}

const sizes = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  desk: { viewport: { width: 1280, height: 800 } },
};

/** Both sizes in both themes. */
export const sights: Sight[] = Object.entries(sizes).flatMap(([size, options]) =>
  (["light", "dark"] as const).map((colorScheme) => ({
    name: `${size}-${colorScheme}`,
    options: { ...options, colorScheme, locale: "en", timezoneId: "UTC", reducedMotion: "reduce" as const },
  })),
);

/** Into `docs/screenshots`. */
export async function shoot(page: Page, view: string, { name }: Sight): Promise<void> {
  const path = fileURLToPath(new URL(`../../docs/screenshots/${view}-${name}.png`, import.meta.url));
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
}
