import { Cron } from "croner";

/**
 * The first moment after `after` (Unix ms) at which the five-part expression fires in the zone; undefined when it never
 * does. A time that a change of the clock skips is the first moment after the change; a time that exists twice counts
 * once, the first. Throws an `Error` that says what is wrong with the expression.
 */
export function nextFiring(expression: string, zone: string, after: number): number | undefined {
  return parse(expression, zone).nextRun(new Date(after))?.getTime();
}

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
