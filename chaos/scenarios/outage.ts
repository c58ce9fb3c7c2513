import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "mongodb";
import { eventually } from "../../test/support/eventually.ts";
import { collectOnSignal, memoryOf as memoryAfterCollection } from "../../test/support/memory.ts";
import { untilQuiet } from "../audit.ts";
import type { Member } from "../fleet.ts";
import { type FaultyLine, startProxy } from "../proxy.ts";
import { concurrency, onStage, type Place, type Result } from "../stage.ts";

const workers = 2;
/** A whole backlog takes longer than what a short fault leaves behind, and a probe may be 30 s away as well. */
const drainSeconds = 300;

/** What a worker's breaker promises, said here once more so that a change of it is noticed. */
const openAfter = 5;
/** Seconds. */
const firstRest = 1;
const longestRest = 30;

interface Options {
  creates: number;
  /** Of the outage, from the first failed probe of each worker's breaker. */
  seconds: number;
  /** So many seconds into it a worker's memory is as it should stay: within this share, to the outage's end. */
  memory: { after: number; within: number };
}

/**
 * The mail server is away (connections refused) before the first create and stays away: everything is accepted, the
 * breakers let single probes through, which alone cost attempts, and nobody's memory grows with the backlog. When it is
 * back all of it goes out.
 */
export async function outage(place: Place, { creates, seconds, memory }: Options): Promise<Result> {
  let proxy: FaultyLine | undefined;
  try {
    return await onStage(
      {
        scenario: "long outage",
        place,
        mayBe: [],
        async variables(sink) {
          proxy = await startProxy(sink.port);
          await proxy.die();
          return { SMTP_PORT: String(proxy.port), NODE_OPTIONS: collectOnSignal };
        },
      },
      async ({ fleet, load, fault, db }) => {
        const [senders] = await Promise.all([fleet.add("worker", workers), fleet.add("api", 2)]);
        const callers = load({ creates });
        const back = fault("away");
        const opened = await eventually(
          async () => {
            const moments = await Promise.all(senders.map(openedAndProbed));
            return moments.every((one) => one !== undefined) && Math.max(...moments);
          },
          "each worker's breaker is open and has probed",
          60,
        );
        const probedAt = Date.now();
        await pause(memory.after * 1_000);
        const early = await Promise.all(senders.map(memoryOf));
        await callers.done;
        place.say(`  ${callers.acknowledged()} creates acknowledged`);
        await pause(Math.max(0, probedAt + seconds * 1_000 - Date.now()));
        const late = await Promise.all(senders.map(memoryOf));
        await (proxy as FaultyLine).mend();
        const returnedAt = Date.now();
        back();
        // What is left then, the audit names.
        await untilQuiet(db, drainSeconds).catch(() => {});
        const drained = Math.ceil((Date.now() - returnedAt) / 1_000);

        const failed = await failedAttempts(db);
        const away = (returnedAt - Math.min(...failed)) / 1_000;
        const probes = failed.filter((at) => at > opened).length;
        const probesAllowed = workers * probesWithin(away);
        // What opens a breaker, and what else was under way as it did: a slot is free again once its outcome is stored.
        const allowed = workers * (openAfter - 1 + concurrency) + probesAllowed;
        const pairs = early.flatMap((then, worker) =>
          then.map((mb, which) => [mb, late[worker]?.[which] as number] as const),
        );
        // A figure that is missing is not flat either.
        const grown = pairs.filter(([then, now]) => !(Math.abs(now / then - 1) <= memory.within));
        return {
          played: `${creates} creates, 2 APIs, ${workers} workers, the mail server away for ${Math.round(away)} s from the first attempt on`,
          // Nothing can have been sent on a connection that was refused.
          duplicatesAllowed: 0,
          notes: [
            `The outage cost ${failed.length} attempts, of at most ${allowed}: ${failed.length - probes} opened the breakers or were under way then, ${probes} were probes, of at most ${probesAllowed}.`,
            `Resident memory and heap of each worker, ${memory.after} s into it and at its end: ${pairs.map((pair) => pair.join(" → ")).join(", ")} MB.`,
            `All was sent ${drained} s after the mail server's return.`,
          ],
          problems: [
            ...(failed.length > allowed ? [`${failed.length} failed attempts, of at most ${allowed}`] : []),
            ...(probes > probesAllowed ? [`${probes} failed probes, of at most ${probesAllowed}`] : []),
            ...grown.map(([then, now]) => `a worker's memory went from ${then} to ${now} MB`),
          ],
        };
      },
    );
  } finally {
    await proxy?.close();
  }
}

/** How many probes a breaker can have let through so long after it opened, none of them being answered. */
export function probesWithin(seconds: number): number {
  let probes = 0;
  let rest = firstRest;
  for (let at = rest; at <= seconds; at += rest) {
    probes++;
    rest = Math.min(rest * 2, longestRest);
  }
  return probes;
}

/** When a breaker opened (Unix ms), once a probe has failed: that doubles its rest, which counts from later. */
async function openedAndProbed({ url }: Member): Promise<number | undefined> {
  const response = await fetch(`${url}/readyz?verbose`);
  const { providers } = (await response.json()) as {
    providers: { email: { smtp: { state: string; since?: string; until?: string } } };
  };
  const { state, since = "", until = "" } = providers.email.smtp;
  const opened = Date.parse(since);
  return state === "open" && Date.parse(until) - opened > 2 * firstRest * 1_000 ? opened : undefined;
}

/** Resident memory and heap in use, in MB. */
async function memoryOf({ url, signal }: Member): Promise<number[]> {
  const { resident, heap } = await memoryAfterCollection(url, () => signal("SIGUSR2"));
  return [Math.round(resident), Math.round(heap)];
}

/** When attempts began that did not end with the mail taken (Unix ms). */
async function failedAttempts(db: Db): Promise<number[]> {
  const found = await db
    .collection("deliveries")
    .aggregate<{ attempts: { at: Date } }>([
      { $unwind: "$attempts" },
      { $match: { "attempts.outcome": { $ne: "sent" } } },
      { $project: { "attempts.at": 1 } },
    ])
    .toArray();
  return found.map(({ attempts }) => attempts.at.getTime());
}
