import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "mongodb";
import { eventually } from "../../test/support/eventually.ts";
import { untilQuiet } from "../audit.ts";
import type { Member } from "../fleet.ts";
import { type FaultyLine, startProxy } from "../proxy.ts";
import { concurrency, onStage, type Place, type Result } from "../stage.ts";

const workers = 2;
/** One backlog takes longer than what a short fault leaves behind; a probe may be 30 s away as well. */
const drainSeconds = 300;

/** What a worker's breaker promises, said here once more so that a change of it is noticed. In seconds. */
const openAfter = 5;
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
          return { SMTP_PORT: String(proxy.port) };
        },
      },
      async ({ fleet, load, fault, db }) => {
        const [senders] = await Promise.all([fleet.add("worker", workers), fleet.add("api", 2)]);
        const callers = load({ creates });
        const back = fault("away");
        await eventually(
          async () => (await Promise.all(senders.map(probeFailed))).every(Boolean),
          "each worker's breaker is open and has probed",
          60,
        );
        const probedAt = Date.now();
        await pause(memory.after * 1_000);
        const early = await Promise.all(senders.map(residentMb));
        await callers.done;
        place.say(`  ${callers.acknowledged()} creates acknowledged`);
        await pause(probedAt + seconds * 1_000 - Date.now());
        const late = await Promise.all(senders.map(residentMb));
        await (proxy as FaultyLine).mend();
        const returnedAt = Date.now();
        back();
        // What is left then, the audit names.
        await untilQuiet(db, drainSeconds).catch(() => {});
        const drained = Math.ceil((Date.now() - returnedAt) / 1_000);

        const { failed, since } = await failedAttempts(db);
        const probes = probesWithin((returnedAt - since) / 1_000);
        // What opens a breaker, and what else was under way as it did: a slot is free again once its outcome is stored.
        const opening = openAfter - 1 + concurrency;
        const allowed = workers * (opening + probes);
        const pairs = early.map((mb, index) => [mb, late[index] as number] as const);
        const grown = pairs.filter(([before, after]) => Math.abs(after / before - 1) > memory.within);
        return {
          played: `${creates} creates, 2 APIs, ${workers} workers, the mail server away for ${Math.round((returnedAt - since) / 1_000)} s from the first attempt on`,
          // Nothing can have been sent on a connection that was refused.
          duplicatesAllowed: 0,
          notes: [
            `The outage cost ${failed} attempts, of at most ${allowed}: for each worker ${opening} until its breaker is open, and ${probes} probes.`,
            `The workers' resident memory ${memory.after} s into it and at its end: ${pairs.map((pair) => pair.map((mb) => mb.toFixed(0)).join(" → ")).join(", ")} MB.`,
            `All was sent ${drained} s after the mail server's return.`,
          ],
          problems: [
            ...(failed > allowed ? [`${failed} failed attempts; the breakers allow ${allowed}`] : []),
            ...grown.map(([before, after]) => `a worker's memory went from ${before} to ${after} MB`),
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

/** A failed probe doubles the breaker's rest, which counts from later than its opening. */
async function probeFailed({ url }: Member): Promise<boolean> {
  const response = await fetch(`${url}/readyz?verbose`);
  const { providers } = (await response.json()) as {
    providers: { email: { smtp: { state: string; since?: string; until?: string } } };
  };
  const { state, since = "", until = "" } = providers.email.smtp;
  return state === "open" && Date.parse(until) - Date.parse(since) > 2 * firstRest * 1_000;
}

async function residentMb({ url }: Member): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const bytes = /^belfry_process_resident_memory_bytes (\S+)$/m.exec(text)?.[1];
  return Math.round(Number(bytes) / 1e5) / 10;
}

/** Attempts that did not end with the mail taken, and when the first of them began (Unix ms). */
async function failedAttempts(db: Db): Promise<{ failed: number; since: number }> {
  const [found] = await db
    .collection("deliveries")
    .aggregate<{ failed: number; since: Date }>([
      { $unwind: "$attempts" },
      { $match: { "attempts.outcome": { $ne: "sent" } } },
      { $group: { _id: null, failed: { $sum: 1 }, since: { $min: "$attempts.at" } } },
    ])
    .toArray();
  return { failed: found?.failed ?? 0, since: found?.since.getTime() ?? Date.now() };
}
