const rough = new Intl.DateTimeFormat(undefined, { timeStyle: "short", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
// Without it some languages write 1234 and 12 345.
const whole = new Intl.NumberFormat(undefined, { useGrouping: "always" });
const languages = new Intl.DisplayNames(undefined, { type: "language" });
const short = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

type Moment = string | number;

/** The time of day, preceded by the date unless it is today; with a date, `isRough` omits the seconds. */
export function timeOf(moment: Moment, isRough = false): string {
  const date = new Date(moment);
  if (date.toDateString() === new Date().toDateString()) return clock.format(date);
  return `${day.format(date)}, ${(isRough ? rough : clock).format(date)}`;
}

/** Hours and minutes. */
export const hourOf = (moment: Moment): string => rough.format(new Date(moment));

export const fullTime = (moment: Moment): string => full.format(new Date(moment));

export const count = (number: number): string => whole.format(number);

/** The date and the time of day in a zone. */
export const timeIn = (timeZone: string, moment: Moment): string =>
  new Intl.DateTimeFormat(undefined, {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone,
  }).format(new Date(moment));

/** `German (de)`. */
export const languageName = (tag: string): string => `${languages.of(tag)} (${tag})`;

/** One decimal at most. */
export const number = (value: number): string => short.format(value);

/** `1 delivery`, `2 deliveries`. */
export const plural = (amount: number, one: string, many = `${one}s`): string =>
  `${count(amount)} ${amount === 1 ? one : many}`;

/** A duration in at most two units. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${number(ms / 1_000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min${and(Math.floor((ms % 60_000) / 1_000), "s")}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${and(minutes % 60, "min")}`;
  return `${Math.floor(hours / 24)} days`;
}

const and = (amount: number, unit: string): string => (amount ? ` ${amount} ${unit}` : "");
