import type { Liquid } from "liquidjs";

const dateFilters = ["date", "date_to_xmlschema", "date_to_rfc822", "date_to_string", "date_to_long_string"];

/** Cached results: an `Intl.DateTimeFormat` costs 50 µs, more than the rest of a template. */
const zones = new Map<string, string>();
/** About 600 zone names exist, so more than this many are not zones. */
const mostZones = 1_000;

/** The zone that dates of a template are written in: the user's own, or UTC. Never the process's. */
export function templateZone(timeZone = "UTC"): string {
  const known = zones.get(timeZone);
  if (known !== undefined) return known;
  let zone = "UTC";
  try {
    zone = new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  } catch {
    // Not a zone that this process knows.
  }
  if (zones.size < mostZones) zones.set(timeZone, zone);
  return zone;
}

/** Makes the date filters read a text without an offset as a time in the template's zone, not in the process's. */
export function readDatesInZone(engine: Liquid): void {
  for (const name of dateFilters) {
    const filter = engine.filters[name] as (this: unknown, ...values: unknown[]) => unknown;
    engine.registerFilter(name, function (value, ...rest) {
      return filter.call(this, inZone(value, String(this.context.opts.timezoneOffset)), ...rest);
    });
  }
}

/**
 * `2026-07-01` is that day in the user's zone; `2026-07-01T12:00` is noon there. A text with an offset stays as it
 * is.
 */
function inZone(value: unknown, zone: string): unknown {
  if (typeof value !== "string" || /^(\d+|now|today)$/.test(value)) return value;
  if (
    /(Z|GMT|UTC|UT|[A-Z][SD]T|[+-]\d{1,2}(:?\d\d)?|\(.*\))\s*$/.test(value.replace(/^\d{4}-\d\d(-\d\d)?/, ""))
  )
    return value;
  const parsed = [Date.parse(`${value}Z`), Date.parse(`${value} UTC`)].find((ms) => !Number.isNaN(ms));
  if (parsed === undefined) return value;
  // Computed twice, for a time near a clock change.
  const guess = parsed - offsetAt(parsed, zone);
  return new Date(parsed - offsetAt(guess, zone));
}

/** How far a zone's clocks are ahead of UTC, in milliseconds. */
function offsetAt(ms: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(ms);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const shown = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return shown - Math.floor(ms / 1_000) * 1_000;
}
