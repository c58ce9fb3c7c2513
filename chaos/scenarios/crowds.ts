import { eventually } from "../../test/support/eventually.ts";
import { untilQuiet } from "../audit.ts";
import { auditTold, type Expected } from "../audit-told.ts";
import { oneOf } from "../random.ts";
import { concurrency, drainSeconds, onStage, type Place, type Result, type Stage } from "../stage.ts";
import { redrivePoison } from "./kills.ts";

const each = 2;
const leaseMs = 2_000;
const minuteMs = 60_000;
/** A request whose process is killed is repeated. */
const patienceSeconds = 60;

/** A broadcast to all users, while an API or a worker is killed at random moments. Each user is told once. */
export function broadcasts(
  place: Place,
  { users, kills }: { users: number; kills: number },
): Promise<Result> {
  const names = Array.from({ length: users }, (_, n) => `user ${n}`);
  const expected = async () => new Map(names.map((name) => [name, 1]));
  return killed("broadcasts", place, expected, kills, async ({ db, fleet, random }, kill) => {
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
  return killed("schedules", place, expected, kills, async ({ db, fleet, random }, kill) => {
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

type Kill = (told: number, random: () => number) => Promise<void>;

/** Plays while `kill` kills members at random moments of the telling and the mailing. */
function killed(
  scenario: string,
  place: Place,
  expected: Expected,
  count: number,
  play: (stage: Stage, kill: Kill) => Promise<{ played: string; problems: string[] }>,
): Promise<Result> {
  return onStage(
    {
      scenario,
      place,
      email: { subject: "Hello" },
      mayBe: [],
      variables: () => ({ LEASE_MS: String(leaseMs) }),
      audit: auditTold(expected),
    },
    async (stage) => {
      const { fleet, db, sink, fault } = stage;
      await Promise.all([fleet.add("api", each), fleet.add("worker", each)]);
      let workers = 0;
      const kill: Kill = async (told, random) => {
        const moments = Array.from({ length: count }, () => random() * 2 * told).toSorted((a, b) => a - b);
        for (const moment of moments) {
          const reached = async () =>
            (await db.collection("deliveries").estimatedDocumentCount()) + sink.mails.length >= moment;
          await eventually(reached, "it goes on", drainSeconds);
          const victim = oneOf(fleet.members, random);
          fault(victim.role);
          if (victim.role === "worker") workers++;
          await victim.kill();
          await victim.start();
        }
      };
      const said = await play(stage, kill);
      await untilQuiet(db, drainSeconds);
      const givenUp = await redrivePoison(fleet.urls()[0] as string);
      return {
        ...said,
        played: `${said.played}, ${each} APIs, ${each} workers: ${count - workers} kills of an API, ${workers} of a worker`,
        duplicatesAllowed: workers * concurrency,
        notes: givenUp > 0 ? [`${givenUp} deliveries were given up as poison and redriven.`] : [],
      };
    },
  );
}

/** Asks any process that is up, again when it was killed meanwhile. */
function ask<Answer>(urls: () => string[], method: string, path: string, body?: object): Promise<Answer> {
  return eventually(
    async () => {
      const [url] = urls().toSorted(() => Math.random() - 0.5);
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      }).catch(() => undefined);
      if (!response || response.status === 503) return undefined;
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return response.json() as Promise<Answer>;
    },
    `${method} ${path} is answered`,
    patienceSeconds,
  );
}
