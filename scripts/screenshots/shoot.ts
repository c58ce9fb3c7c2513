import { writeFileSync } from "node:fs";
import type { BrowserContextOptions, Page } from "playwright-core";
import { withPalette } from "./palette.ts";

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
    options: {
      ...options,
      colorScheme,
      deviceScaleFactor: 1.5,
      locale: "en",
      timezoneId: "UTC",
      reducedMotion: "reduce" as const,
    },
  })),
);

/** Into `docs/screenshots`. */
export async function shoot(page: Page, view: string, { name }: Sight): Promise<void> {
  const picture = await page.screenshot({ animations: "disabled", caret: "hide" });
  writeFileSync(new URL(`../../docs/screenshots/${view}-${name}.png`, import.meta.url), withPalette(picture));
}
