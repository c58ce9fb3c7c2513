import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { days, type QuietPeriod } from "../../src/model/preferences.ts";
import { coversTheWeek, quietUntil } from "../../src/model/quiet-hours.ts";
import { instantOf, wallTime } from "../../src/model/wall-clock.ts";

const zones = [
  "Europe/Berlin",
  "Africa/Cairo",
  "Australia/Lord_Howe",
  "America/New_York",
  "America/Santiago",
  "Pacific/Apia",
];
const at = (text: string) => Temporal.ZonedDateTime.from(text).epochMilliseconds;

/** The changes of the clock of some years. */
function changesOf(zone: string): Temporal.ZonedDateTime[] {
  const found: Temporal.ZonedDateTime[] = [];
  let next = Temporal.ZonedDateTime.from(`2023-01-01T00:00[${zone}]`).getTimeZoneTransition("next");
  while (next && next.year < 2027) {
    found.push(next);
    next = next.getTimeZoneTransition("next");
  }
  return found;
}

/** By a foreign library: the first of two, or the first moment after a gap. */
function expectedInstant(zone: string, wall: Temporal.PlainDateTime): number {
  const earlier = wall.toZonedDateTime(zone, { disambiguation: "earlier" });
  if (earlier.toPlainDateTime().equals(wall)) return earlier.epochMilliseconds;
  return (earlier.getTimeZoneTransition("next") as Temporal.ZonedDateTime).epochMilliseconds;
}

describe.each(zones)("%s", (zone) => {
  test("each time of the days around each change of the clock is the right instant", () => {
    for (const change of changesOf(zone)) {
      const start = change.subtract({ hours: 30 }).toPlainDateTime();
      for (let minutes = 0; minutes < 60 * 60; minutes += 15) {
        const wall = start.with({ minute: 0, second: 0, millisecond: 0 }).add({ minutes });
        const { year, month, day, hour, minute } = wall;
        expect(instantOf(zone, { year, month, day, hour, minute }), `${wall}`).toBe(
          expectedInstant(zone, wall),
        );
      }
    }
  });

  test("the wall clock at an instant is a foreign library's", () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2037, 11) }), (instant) => {
        const { year, month, day, hour, minute } =
          Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
        expect(wallTime(zone, instant)).toStrictEqual({ year, month, day, hour, minute });
      }),
    );
  });

  test("a nightly period ends at its time of the wall clock, whatever the clock does in that night", () => {
    const quiet: QuietPeriod[] = [{ from: "22:00", to: "07:00" }];
    for (const change of changesOf(zone)) {
      const evening = change.subtract({ hours: 20 }).with({ hour: 23, minute: 0, second: 0, millisecond: 0 });
      const morning = evening.toPlainDate().add({ days: 1 }).toPlainDateTime("07:00");
      expect(quietUntil(quiet, "email", zone, evening.epochMilliseconds)).toBe(
        expectedInstant(zone, morning),
      );
    }
  });
});

test.each([
  [
    "a time that the clock skips is the first moment after it",
    "2026-03-29T02:30",
    "2026-03-29T03:00+02:00[Europe/Berlin]",
  ],
  [
    "a time that exists twice is the first of the two",
    "2026-10-25T02:30",
    "2026-10-25T02:30+02:00[Europe/Berlin]",
  ],
])("%s", (_what, wall, expected) => {
  const { year, month, day, hour, minute } = Temporal.PlainDateTime.from(wall);
  expect(instantOf("Europe/Berlin", { year, month, day, hour, minute })).toBe(at(expected));
});

const night: QuietPeriod[] = [{ days: ["fri"], from: "22:00", to: "07:00" }];

test.each([
  ["before it begins", "2026-06-05T21:59[Europe/Berlin]", undefined],
  ["from its first moment", "2026-06-05T22:00[Europe/Berlin]", "2026-06-06T07:00[Europe/Berlin]"],
  [
    "after midnight it still belongs to Friday",
    "2026-06-06T06:59[Europe/Berlin]",
    "2026-06-06T07:00[Europe/Berlin]",
  ],
  ["not at its end", "2026-06-06T07:00[Europe/Berlin]", undefined],
  ["not on the night before", "2026-06-05T06:00[Europe/Berlin]", undefined],
  ["not on the night after", "2026-06-06T23:00[Europe/Berlin]", undefined],
])("Friday's quiet night: %s", (_when, now, until) => {
  expect(quietUntil(night, "email", "Europe/Berlin", at(now))).toBe(
    until === undefined ? undefined : at(until),
  );
});

test("periods that touch are one wait", () => {
  const periods: QuietPeriod[] = [
    { from: "22:00", to: "07:00" },
    { from: "07:00", to: "09:00" },
  ];
  expect(quietUntil(periods, "email", "UTC", at("2026-06-05T23:00[UTC]"))).toBe(at("2026-06-06T09:00[UTC]"));
});

test("a period of one channel leaves the others alone", () => {
  const periods: QuietPeriod[] = [{ from: "00:00", to: "12:00", channels: ["sms"] }];
  const now = at("2026-06-05T06:00[UTC]");
  expect(quietUntil(periods, "email", "UTC", now)).toBeUndefined();
  expect(quietUntil(periods, "sms", "UTC", now)).toBe(at("2026-06-05T12:00[UTC]"));
});

const times = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((both) => both.map((one) => String(one).padStart(2, "0")).join(":"));
const periods = fc.array(
  fc.record({ from: times, to: times, days: fc.subarray([...days], { minLength: 1 }) }),
  { minLength: 1, maxLength: 4 },
);

test("the end of any periods is a moment at which nothing is quiet", () => {
  fc.assert(
    fc.property(
      periods,
      fc.constantFrom(...zones),
      fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2027, 0) }),
      (own, zone, now) => {
        fc.pre(!coversTheWeek(own, "email"));
        const until = quietUntil(own, "email", zone, now);
        if (until === undefined) return;
        expect(until).toBeGreaterThan(now);
        expect(until - now).toBeLessThan(8 * 86_400_000);
        expect(quietUntil(own, "email", zone, until)).toBeUndefined();
        expect(quietUntil(own, "email", zone, until - 1)).toBe(until);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  ["all day, every day", [{ from: "08:00", to: "08:00" }], true],
  ["all day but on Sunday", [{ from: "00:00", to: "00:00", days: days.slice(0, 6) }], false],
  [
    "two halves",
    [
      { from: "00:00", to: "12:00" },
      { from: "12:00", to: "00:00" },
    ],
    true,
  ],
  [
    "two halves with a minute between them",
    [
      { from: "00:00", to: "11:59" },
      { from: "12:00", to: "00:00" },
    ],
    false,
  ],
  ["another channel", [{ from: "00:00", to: "00:00", channels: ["sms"] }], false],
])("%s: covers the week is %s", (_what, own, expected) => {
  expect(coversTheWeek(own as QuietPeriod[], "email")).toBe(expected);
});
