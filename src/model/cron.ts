import { Cron } from "croner";
import { instantOf, type WallTime, wallTime } from "./wall-clock.ts";

/**
 * The first moment after `after` (Unix ms) at which the five-part expression fires in the zone; undefined when it never
 * does. A time that a change of the clock skips is the first moment after the change; a time that exists twice counts
 * once, the first. When every hour counts (`*`), it goes on in real time, or it would pause for an hour in autumn. Throws
 * an `Error` that says what is wrong with the expression.
 *
 * Croner keeps this rule only for a single time of day: `30 1,2` loses 02:30 in spring, and repeats it in autumn. So croner
 * finds the times that a clock on a wall shows, read as if they were UTC.
 */
export function nextFiring(expression: string, zone: string, after: number): number | undefined {
  const [, hours = ""] = expression.trim().split(/\s+/);
  if (hours.startsWith("*")) return nextRun(expression, zone, after);
  for (let wall: number | undefined = asUtc(wallTime(zone, after)); ; ) {
    wall = nextRun(expression, "UTC", wall);
    if (wall === undefined) return undefined;
    const at = instantOf(zone, wallTime("UTC", wall));
    if (at > after) return at;
  }
}

const nextRun = (expression: string, zone: string, after: number): number | undefined =>
  parse(expression, zone).nextRun(new Date(after))?.getTime();

const asUtc = ({ year, month, day, hour, minute }: WallTime): number =>
  Date.UTC(year, month - 1, day, hour, minute);

/** What is wrong with the expression; undefined when it fires some day. */
export function cronProblem(expression: string, now: number): string | undefined {
  try {
    return nextFiring(expression, "UTC", now) === undefined ? "never fires" : undefined;
  } catch {
    return "must be a cron expression of five parts, such as `0 9 * * 1-5`";
  }
}

const known = new Map<string, Cron>();
/** Expressions come from files and callers; so many zones and expressions are in use at once. */
const mostKnown = 500;

function parse(expression: string, zone: string): Cron {
  const key = `${zone} ${expression}`;
  let cron = known.get(key);
  if (!cron) {
    cron = new Cron(expression, { timezone: zone, mode: "5-part", paused: true });
    if (known.size >= mostKnown) known.clear();
    known.set(key, cron);
  }
  return cron;
}
