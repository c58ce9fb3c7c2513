import type { PreferencesAnswer, PreferencesPatch } from "../../src/client/index.ts";

type Scope = "categories" | "types";
type Choices = NonNullable<NonNullable<PreferencesAnswer["preferences"][Scope]>[string]>;

/** The change that sets one cell. A choice for all channels stays in force for the others. */
export function cellPatch(
  { preferences }: PreferencesAnswer,
  scope: Scope,
  name: string,
  channel: string,
  value: boolean,
): PreferencesPatch {
  const before: Choices | undefined = preferences[scope]?.[name];
  const others = before === undefined || typeof before === "object" ? {} : { "*": before };
  return { [scope]: { [name]: { ...others, [channel]: value } } };
}

/** The end of a pause that starts now. */
export function pauseEnd(length: "hour" | "tomorrow" | "week", now: Date): string {
  const end = new Date(now);
  if (length === "hour") end.setHours(end.getHours() + 1);
  else if (length === "week") end.setDate(end.getDate() + 7);
  else {
    end.setDate(end.getDate() + 1);
    end.setHours(8, 0, 0, 0);
  }
  return end.toISOString();
}

/** A category's label in the language of the page. */
export function labelIn(label: string | Record<string, string> | undefined, tag: string): string | undefined {
  if (typeof label !== "object") return label;
  for (let at = tag; at; at = at.slice(0, Math.max(0, at.lastIndexOf("-")))) {
    const found = Object.entries(label).find(([one]) => one.toLowerCase() === at.toLowerCase());
    if (found) return found[1];
  }
  return label.en ?? Object.values(label)[0];
}

/** `new_login` is "New login". */
export function inWords(key: string): string {
  const words = key.replace(/[_.-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
