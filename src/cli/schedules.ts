import { readJson } from "../config/read-json.ts";
import type { Core } from "../core/core.ts";
import {
  type ScheduleDto,
  type ScheduleRecordDto,
  scheduleDto,
  scheduleRecordDto,
} from "../core/schedule-dto.ts";
import type { WrittenSchedule } from "../core/schedules.ts";
import type { ScheduleRecord } from "../model/schedule.ts";
import { type Command, type Given, integer, required } from "./arguments.ts";
import { openCore, withSession } from "./session.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";

const asJson = { json: { description: "print JSON" } };

export const schedules: Command = {
  usage: "schedules",
  description: "List what is sent again and again",
  options: {
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    json: { description: "print JSON, one schedule per line" },
  },
  examples: ["belfry schedules"],
  async run(given) {
    const limit = integer(given, "limit", 1, 10_000, 100);
    await withSchedules(async ({ list }) => {
      const page = await watched("reading", list(limit));
      const found = page.data.map(scheduleDto);
      if (given.flags.has("json")) for (const one of found) terminal.print(JSON.stringify(one));
      else terminal.print(found.length > 0 ? listOf(found) : "There are no schedules.");
      if (page.next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

export const schedulesShow = ofOne("show", "Show a schedule with its next occurrences", ({ show }, key) =>
  show(key),
);
export const schedulesPause = ofOne("pause", "Pause a schedule", ({ pause }, key) => pause(key));
export const schedulesResume = ofOne("resume", "Go on with a paused schedule", ({ resume }, key) =>
  resume(key),
);

export const schedulesPut: Command = {
  usage: "schedules put <key> --file <file>",
  description: "Store a schedule from a JSON file",
  positional: { name: "key" },
  options: {
    file: { value: "<file>", description: "the body of `PUT /v1/schedules/{key}` (docs/jobs.md)" },
    ...asJson,
  },
  examples: ["belfry schedules put weekly-report --file weekly-report.json"],
  async run(given) {
    const file = required(given, "file");
    await withSchedules(async (all, check) => {
      const { schedule } = await watched("storing", all.put(keyOf(given), check(readJson(file))));
      await tell(all, schedule, given);
    });
  },
};

export const schedulesDelete: Command = {
  usage: "schedules delete <key>",
  description: "Delete a schedule",
  positional: { name: "key" },
  options: {},
  examples: ["belfry schedules delete weekly-report"],
  async run(given) {
    const key = keyOf(given);
    await withSchedules((all) => watched("deleting", all.remove(key)));
    terminal.print(`The schedule ${safe(key)} is deleted.`);
  },
};

type Schedules = Core["schedules"];

const keyOf = (given: Given) => given.positionals[0] as string;

function ofOne(
  name: string,
  description: string,
  work: (all: Schedules, key: string) => Promise<ScheduleRecord>,
): Command {
  return {
    usage: `schedules ${name} <key>`,
    description,
    positional: { name: "key" },
    options: asJson,
    examples: [`belfry schedules ${name} weekly-report`],
    run: (given) =>
      withSchedules(async (all) => {
        await tell(all, await watched("reading", work(all, keyOf(given))), given);
      }),
  };
}

async function withSchedules<T>(
  work: (all: Schedules, check: (file: unknown) => WrittenSchedule) => Promise<T>,
): Promise<T> {
  return withSession(async (session) => {
    const { schedules: all, registry } = await openCore(session);
    const { createScheduleInput } = await import("../schedule-input.ts");
    return work(all, createScheduleInput(registry.keys).body);
  });
}

async function tell(all: Schedules, schedule: ScheduleRecord, given: Given): Promise<void> {
  const shown = scheduleRecordDto(schedule, await all.upcoming(schedule));
  terminal.print(given.flags.has("json") ? JSON.stringify(shown) : inWords(shown));
}

function inWords(one: ScheduleRecordDto): string {
  const lines = [
    `${safe(one.key)}: ${one.status}`,
    `  sends ${safe(one.type)} to ${one.recipient_count} ${one.recipient_count === 1 ? "user" : "users"}`,
    `  at ${one.cron} (${one.time_zone})`,
  ];
  if (one.starts_at) lines.push(`  from ${one.starts_at}`);
  if (one.ends_at) lines.push(`  before ${one.ends_at}`);
  for (const { time_zone: zone, recipient_count: count, at } of one.next)
    lines.push(`  next for ${count} in ${safe(zone)}:`, ...at.map((time) => `    ${time}`));
  return lines.join("\n");
}

function listOf(found: ScheduleDto[]): string {
  const rows = found.map((one) => [
    safe(one.key),
    one.status,
    safe(one.type),
    String(one.recipient_count),
    one.cron,
    one.time_zone,
    one.next_at === undefined ? "" : momentOf(Date.parse(one.next_at)),
  ]);
  return table(["KEY", "STATUS", "TYPE", "USERS", "CRON", "ZONE", "NEXT"], rows, {
    whole: ["KEY", "STATUS", "NEXT"],
    spare: ["ZONE", "TYPE"],
    numbers: ["USERS"],
  });
}
