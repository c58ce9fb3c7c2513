/** A date and time as a clock on a wall shows it. `month`: 1 to 12. */
export interface WallTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
}

const dayMs = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US-u-ca-iso8601-hc-h23", {
      timeZone: zone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(zone, format);
  }
  return format;
}

/** The date and time in `zone` (IANA) at an instant in Unix milliseconds. */
export function wallTime(zone: string, at: number): WallTime {
  const { year, month, day, hour, minute } = numbersAt(zone, at);
  return { year, month, day, hour, minute };
}

function numbersAt(zone: string, at: number) {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(at)) parts[type] = Number(value);
  return parts as Record<"year" | "month" | "day" | "hour" | "minute" | "second", number>;
}

/** Milliseconds by which the zone's clock is ahead of UTC at an instant. */
function offsetAt(zone: string, at: number): number {
  const { year, month, day, hour, minute, second } = numbersAt(zone, at);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

/**
 * The instant (Unix ms) at which the clock in `zone` shows this time. A time that exists twice is the first of the
 * two. A time that a change of the clock skips is the first moment after the change. `day` may be below 1 or above the
 * month's last, as in `Date.UTC`.
 */
export function instantOf(zone: string, { year, month, day, hour, minute }: WallTime): number {
  const asUtc = Date.UTC(year, month - 1, day, hour, minute);
  const before = offsetAt(zone, asUtc - dayMs);
  const after = offsetAt(zone, asUtc + dayMs);
  // With the larger offset the instant is earlier.
  const candidates = [asUtc - Math.max(before, after), asUtc - Math.min(before, after)];
  const exact = candidates.find((at) => at + offsetAt(zone, at) === asUtc);
  if (exact !== undefined) return exact;
  // The clock skips this time. The change lies between the two candidates.
  let [low, high] = candidates as [number, number];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
