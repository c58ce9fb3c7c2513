import type { Forms } from "./public.d.ts";
import { filled, type GivenTexts, type Texts, textsFor } from "./texts.ts";

/** Texts and formats of a locale. Times are Unix milliseconds. */
export interface Locale {
  tag: string;
  dir: "ltr" | "rtl";
  texts: Texts;
  number(value: number): string;
  plural(forms: Forms, n: number): string;
  /** "5 min. ago", "yesterday"; a date after a week. A time in the future is "now". */
  ago(at: number, now: number): string;
  /** In full. */
  moment(at: number): string;
  /** "2:35 PM", rounded up to a full minute. */
  clock(at: number): string;
  /** "3 hours" */
  span(ms: number): string;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const rightToLeft = ["Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand"];

/** `wanted`: BCP 47; anything else is taken for English. */
export function createLocale(wanted: string, given?: GivenTexts): Locale {
  const tag = canonical(wanted);
  const { texts, language } = textsFor(tag, given);
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(tag);
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: "auto", style: "short" });
  const dates = new Intl.DateTimeFormat(tag, { day: "numeric", month: "short" });
  const oldDates = new Intl.DateTimeFormat(tag, { dateStyle: "medium" });
  const moments = new Intl.DateTimeFormat(tag, { dateStyle: "full", timeStyle: "short" });
  const clocks = new Intl.DateTimeFormat(tag, { timeStyle: "short" });
  const number = (value: number) => numbers.format(value);
  return {
    tag,
    dir: rightToLeft.includes(new Intl.Locale(tag).maximize().script ?? "") ? "rtl" : "ltr",
    texts,
    number,
    plural: (forms, n) => filled(forms[rules.select(n)] ?? forms.other, { n: number(n) }),
    ago(at, now) {
      const passed = now - at;
      if (passed < minute) return relative.format(0, "second");
      if (passed < hour) return relative.format(-Math.floor(passed / minute), "minute");
      if (passed < day) return relative.format(-Math.floor(passed / hour), "hour");
      const days = Math.round((midnight(now) - midnight(at)) / day);
      if (days < 7) return relative.format(-days, "day");
      const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
      return (sameYear ? dates : oldDates).format(at);
    },
    moment: (at) => moments.format(at),
    clock: (at) => clocks.format(Math.ceil(at / minute) * minute),
    span(ms) {
      const [size, unit] = (
        [
          [day, "day"],
          [hour, "hour"],
          [minute, "minute"],
        ] as const
      ).find(([one]) => ms >= one) ?? [minute, "minute"];
      const format = new Intl.NumberFormat(tag, { style: "unit", unit, unitDisplay: "long" });
      return format.format(Math.round(ms / size));
    },
  };
}

function canonical(tag: string): string {
  try {
    return Intl.getCanonicalLocales(tag.replaceAll("_", "-"))[0] ?? "en";
  } catch {
    return "en";
  }
}

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);
