import { describe, expect, test } from "vitest";
import { occurrenceAfter, occurrences, occurrenceToSend, timingFor } from "../../src/model/schedule.ts";

const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) =>
  ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16);
const minute = 60_000;

describe("a change of the clock", () => {
  test.each([
    // The clock skips 02:00 to 03:00 in Berlin on 29 March 2026, and shows that hour twice on 25 October.
    ["30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00", "2026-03-30T00:30"]],
    ["30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]],
    // Cairo skips midnight to 01:00 on 24 April 2026, and repeats 23:00 to midnight on 29 October.
    ["15 0 * * *", "Africa/Cairo", "2026-04-23T12:00Z", ["2026-04-23T22:00", "2026-04-24T21:15"]],
    ["30 23 * * *", "Africa/Cairo", "2026-10-29T12:00Z", ["2026-10-29T20:30", "2026-10-30T21:30"]],
    // Lord Howe moves by half an hour: it skips 02:00 to 02:30 on 4 October 2026, and repeats 01:30 to 02:00 on 5 April.
    ["10 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-03T15:30", "2026-10-04T15:10"]],
    ["45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00Z", ["2026-04-04T14:45", "2026-04-05T15:15"]],
    // Several times of the day.
    ["30 1,2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T00:30", "2026-03-29T01:00"]],
    ["*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00", "2026-03-30T00:00"]],
    ["30 2,3 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30", "2026-10-25T02:30"]],
    ["0,30 2 * * *", "Europe/Berlin", "2026-10-25T00:29Z", ["2026-10-25T00:30", "2026-10-26T01:00"]],
    // Every hour goes on in real time.
    ["30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z", ["2026-10-25T00:30", "2026-10-25T01:30"]],
    ["30 * * * *", "Europe/Berlin", "2026-03-29T00:00Z", ["2026-03-29T00:30", "2026-03-29T01:30"]],
  ])("%s in %s after %s", (cron, zone, after, expected) => {
    expect(occurrences({ cron }, zone, at(after), 2).map(iso)).toEqual(expected);
  });
});

test("it begins at starts_at, and ends before ends_at", () => {
  const timing = { cron: "0 9 * * *", startsAt: at("2026-03-02T09:00Z"), endsAt: at("2026-03-04T09:00Z") };
  expect(occurrences(timing, "UTC", at("2026-02-01T00:00Z"), 5).map(iso)).toEqual([
    "2026-03-02T09:00",
    "2026-03-03T09:00",
  ]);
  expect(occurrenceAfter(timing, "UTC", at("2026-03-03T09:00Z"))).toBeUndefined();
});

describe("of occurrences that are due", () => {
  const quarter = { cron: "*/15 * * * *", missed: "once" as const };
  const first = at("2026-03-02T08:00Z");
  const send = (schedule: Parameters<typeof occurrenceToSend>[0], now: string) =>
    iso(occurrenceToSend(schedule, "UTC", first, at(now)));

  test("the latest is sent, however late", () => {
    expect(send(quarter, "2026-03-02T08:00Z")).toBe("2026-03-02T08:00");
    expect(send(quarter, "2026-03-02T09:10Z")).toBe("2026-03-02T09:00");
    expect(send({ ...quarter, cron: "* * * * *" }, "2029-03-02T09:10:30Z")).toBe("2029-03-02T09:10");
    expect(send({ ...quarter, cron: "0 8 2 3 *" }, "2031-03-01T00:00Z")).toBe("2030-03-02T08:00");
  });

  test("a late one is skipped, and one that is on time is sent in its place", () => {
    const skipping = { ...quarter, missed: "skip" as const };
    expect(send(skipping, "2026-03-02T08:00:59Z")).toBe("2026-03-02T08:00");
    expect(send(skipping, "2026-03-02T09:10Z")).toBeUndefined();
    expect(send(skipping, "2026-03-02T09:15:20Z")).toBe("2026-03-02T09:15");
  });

  test("the end counts, too", () => {
    expect(send({ ...quarter, endsAt: at("2026-03-02T08:40Z") } as never, "2026-03-02T12:00Z")).toBe(
      "2026-03-02T08:30",
    );
  });
});

test("a schedule is looked at when its first zone is due, and each hour while recipients may move", () => {
  const now = at("2026-03-02T08:00Z");
  const zones = [{ zone: "UTC", next: now + 90 * minute }, { zone: "Asia/Tokyo" }];
  expect(timingFor({ zone: "UTC" }, zones, now)).toEqual({ state: "active", zones, due: now + 90 * minute });
  expect(timingFor({ zone: "recipient" }, zones, now)).toMatchObject({ due: now + 60 * minute });
  expect(timingFor({ zone: "UTC" }, [{ zone: "UTC" }], now)).toEqual({
    state: "ended",
    zones: [{ zone: "UTC" }],
  });
});
