const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** The forms that `--from` and `--to` accept besides ISO 8601 and Unix milliseconds, for their help. */
export const timeForms = "-30m, -1h, -2d, today, yesterday, now, or ISO 8601";

/**
 * A time as people write it, in ISO 8601: a span before now, or the midnight (of this machine) with which today or yesterday
 * began. Anything else is returned as it is, for the filters to judge.
 */
export function readMoment(text: string, now = new Date()): string {
  const [, count, unit] = /^-(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined)
    return new Date(now.getTime() - Number(count) * units[unit as keyof typeof units]).toISOString();
  if (text === "now") return now.toISOString();
  const daysBack = { today: 0, yesterday: 1 }[text];
  if (daysBack === undefined) return text;
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysBack).toISOString();
}
