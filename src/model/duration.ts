const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** The longest wait that a rule may ask for. */
const mostMs = 366 * unitMs.d;

export const durationForm = "a number and s, m, h, d or w, such as 15m or 2d, and at most 366d";

/** Milliseconds of a text such as `15m` or `2d`; undefined for every other text. */
export function durationMs(text: string): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,8})([smhdw])$/.exec(text) ?? [];
  const ms = Number(count) * unitMs[unit as keyof typeof unitMs];
  return ms <= mostMs ? ms : undefined;
}
