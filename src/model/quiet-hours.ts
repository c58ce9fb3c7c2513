import { days, type QuietPeriod } from "./preferences.ts";
import { instantOf, wallTime } from "./wall-clock.ts";

/** Periods that touch each other could follow one another for days; a week has each of them once. */
const mostPeriods = 200;

/**
 * The moment (Unix ms) at which the channel may send again, or undefined when it may send now. Computed from the wall
 * clock of each day, so that a change to summer time moves nothing.
 */
export function quietUntil(
  periods: QuietPeriod[],
  channel: string,
  zone: string,
  now: number,
): number | undefined {
  const own = periods.filter(({ channels }) => channels === undefined || channels.includes(channel));
  if (own.length === 0) return undefined;
  let at = now;
  for (let count = 0; count < mostPeriods; count++) {
    const end = endOfPeriod(own, zone, at);
    if (end === undefined) break;
    at = end;
  }
  return at > now ? at : undefined;
}

/** The latest end of the periods that contain the instant. */
function endOfPeriod(periods: QuietPeriod[], zone: string, at: number): number | undefined {
  const today = wallTime(zone, at);
  let latest: number | undefined;
  // A period of two days ago can still last where the clock skips a day.
  for (const daysAgo of [0, 1, 2])
    for (const { from, to, days: on } of periods) {
      const day = { ...today, day: today.day - daysAgo };
      if (on && !on.includes(weekday(day))) continue;
      const start = instantOf(zone, { ...day, ...timeOf(from) });
      const end = instantOf(zone, { ...day, ...timeOf(to), ...(to <= from && { day: day.day + 1 }) });
      if (start <= at && at < end && end > (latest ?? 0)) latest = end;
    }
  return latest;
}

const timeOf = (text: string) => ({ hour: Number(text.slice(0, 2)), minute: Number(text.slice(3)) });

function weekday({ year, month, day }: { year: number; month: number; day: number }) {
  return days[(new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7] as (typeof days)[number];
}

const weekMinutes = 7 * 24 * 60;

/** Whether the periods leave this channel no minute of the week in which it may send. */
export function coversTheWeek(periods: QuietPeriod[], channel: string): boolean {
  const quiet = new Uint8Array(weekMinutes);
  for (const { from, to, days: on, channels } of periods) {
    if (channels && !channels.includes(channel)) continue;
    const start = minutesOf(from);
    const length = ((minutesOf(to) - start + 24 * 60 - 1) % (24 * 60)) + 1;
    for (const [index, day] of days.entries())
      if (!on || on.includes(day))
        for (let minute = 0; minute < length; minute++)
          quiet[(index * 24 * 60 + start + minute) % weekMinutes] = 1;
  }
  return !quiet.includes(0);
}

const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
