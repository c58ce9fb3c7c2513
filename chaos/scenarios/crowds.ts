import { eventually } from "../../test/support/eventually.ts";
import { auditTold, type Expected } from "../audit-told.ts";
import { drainSeconds, type Place, type Result, type Stage } from "../stage.ts";
import { ask, type Kill, killed } from "./killed.ts";

const minuteMs = 60_000;

/** A broadcast to all users, while an API or a worker is killed at random moments. Each user is told once. */
export function broadcasts(
  place: Place,
  { users, kills }: { users: number; kills: number },
): Promise<Result> {
  const names = Array.from({ length: users }, (_, n) => `user ${n}`);
  const expected = async () => new Map(names.map((name) => [name, 1]));
  return told("broadcasts", place, expected, kills, async ({ db, fleet, random }, kill) => {
    await db
      .collection<{ _id: string }>("users")
      .insertMany(names.map((_id) => ({ _id, email: "user@receiver.example" })) as never[]);
    const body = { key: "all", notification: { type: "new_login", title: "Hello" }, to: { all: true } };
    const { id } = await ask<{ id: string }>(fleet.urls, "POST", "/v1/broadcasts", body);
    await kill(users, random);
    const end = await eventually(
      async () => {
        const found = await ask<{ status: string; notified: number }>(
          fleet.urls,
          "GET",
          `/v1/broadcasts/${id}`,
        );
        return ["done", "failed"].includes(found.status) && found;
      },
      "the broadcast ends",
      drainSeconds,
    );
    return {
      played: `a broadcast to ${users} users`,
      problems:
        end.status === "done" && end.notified === users ? [] : [`the broadcast: ${JSON.stringify(end)}`],
    };
  });
}

/** Schedules that are all due at once, while an API or a worker is killed. Each occurrence tells each recipient once. */
export function schedules(
  place: Place,
  { count, recipients, kills }: { count: number; recipients: number; kills: number },
): Promise<Result> {
  const usersOf = (n: number) => Array.from({ length: recipients }, (_, at) => `user ${n}.${at}`);
  let occurrences: Map<number, number>;
  const expected = async () =>
    new Map([...occurrences].flatMap(([n, times]) => usersOf(n).map((user) => [user, times] as const)));
  return told("schedules", place, expected, kills, async ({ db, fleet, random }, kill) => {
    const notification = { type: "new_login", title: "Hello" };
    for (let n = 0; n < count; n++)
      await ask(fleet.urls, "PUT", `/v1/schedules/${n}`, {
        notification,
        recipients: usersOf(n),
        cron: "* * * * *",
        time_zone: "UTC",
      });
    const stored = db.collection("schedules");
    // Otherwise they would be due at the next full minute.
    const due = new Date(Math.floor(Date.now() / minuteMs) * minuteMs);
    await stored.updateMany({}, { $set: { due, "zones.0.next": due } });
    await kill(count * recipients, random);
    const jobs = db.collection<{ key: string; command: { at: number }; state: string }>("jobs");
    await eventually(
      async () => (await jobs.distinct("key", { state: "done" })).length === count,
      "each schedule has had an occurrence",
      drainSeconds,
    );
    for (let n = 0; n < count; n++) await ask(fleet.urls, "POST", `/v1/schedules/${n}/pause`);
    await eventually(
      async () => (await jobs.countDocuments({ state: { $in: ["scheduled", "running"] } })) === 0,
      "the last occurrences end",
      drainSeconds,
    );
    const all = await jobs.find().toArray();
    const times = new Set(all.map(({ key, command }) => `${key} ${command.at}`));
    occurrences = new Map();
    for (const { key } of all) occurrences.set(Number(key), (occurrences.get(Number(key)) ?? 0) + 1);
    const failed = all.filter(({ state }) => state !== "done").length;
    return {
      played: `${all.length} occurrences of ${count} schedules with ${recipients} recipients each`,
      problems: [
        ...(times.size === all.length ? [] : [`${all.length - times.size} occurrences twice`]),
        ...(failed === 0 ? [] : [`${failed} occurrences ended otherwise than done`]),
      ],
    };
  });
}

const told = (
  scenario: string,
  place: Place,
  expected: Expected,
  kills: number,
  play: (stage: Stage, kill: Kill) => Promise<{ played: string; problems: string[] }>,
): Promise<Result> =>
  killed({ scenario, place, email: { subject: "Hello" }, audit: auditTold(expected) }, kills, play);
