import { nextFiring } from "./cron.ts";
import { instantOf, wallTime } from "./wall-clock.ts";

/**
 * The first moment after `after` (Unix ms) at which the expression fires in the zone; undefined when it never does. A time
 * that a change of the clock skips is the first moment after the change, and a time that exists twice counts once, the
 * first. When every hour counts (`*`), it goes on in real time, or it would pause for an hour in autumn.
 *
 * Croner keeps this rule only for a single time of day: `30 1,2` loses 02:30 in spring, and repeats it in autumn.
 */
export function firingAfter(expression: string, zone: string, after: number): number | undefined {
  const [, hours = ""] = expression.trim().split(/\s+/);
  if (hours.startsWith("*")) return nextFiring(expression, zone, after);
  // The times that a clock on a wall shows, read as if they were UTC.
  for (let wall: number | undefined = asUtc(wallTime(zone, after)); ; ) {
    wall = nextFiring(expression, "UTC", wall);
    if (wall === undefined) return undefined;
    const at = instantOf(zone, wallTime("UTC", wall));
    if (at > after) return at;
  }
}

const asUtc = ({ year, month, day, hour, minute }: ReturnType<typeof wallTime>): number =>
  Date.UTC(year, month - 1, day, hour, minute);
