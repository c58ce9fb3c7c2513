import { slotIn } from "./storage.ts";

const slot = slotIn(() => localStorage, "belfry.theme");
const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

/** Window event: the theme changed. */
export const themeChanged = "belfry-theme";

export function theme(): Theme {
  const kept = slot.get() as Theme;
  return themes.includes(kept) ? kept : "system";
}

/** The theme on the screen now. */
export const shownTheme = (): "light" | "dark" => {
  const chosen = theme();
  if (chosen !== "system") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
};

export function applyTheme(): void {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  dispatchEvent(new Event(themeChanged));
}

export function nextTheme(): void {
  slot.set(themes[(themes.indexOf(theme()) + 1) % themes.length] as string);
  applyTheme();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  dispatchEvent(new Event(themeChanged)),
);
