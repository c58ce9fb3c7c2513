import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { MongoClient } from "mongodb";
import { eventually } from "../../test/support/eventually.ts";
import { transportNames } from "../device-transports.ts";
import { type Device, type Inbox, openDevice, readInbox } from "../devices.ts";
import { failNowAndThen, loseHints, readFailures } from "../fail-command.ts";
import { createFleet, type Member } from "../fleet.ts";
import { type InboxUsers, notify, startInboxUsers } from "../inbox-users.ts";
import { createRandom, oneOf } from "../random.ts";
import { newUsers, type Place, tidy, type Verdict, withDatabase, withOption } from "../stage.ts";

export interface LiveResult extends Verdict {
  /** Of inboxes, made and acknowledged. */
  changes: number;
  /** Changes that were refused with 503, or not answered. */
  refused: number;
  unanswered: number;
  devices: number;
  /** Sockets of devices that were destroyed, and instances that were killed under others. */
  drops: number;
  kills: number;
  /** What devices were told, and how often that was to read their list anew. */
  messages: number;
  resyncs: number;
  /** How often a device noticed that it had not been told something, or something twice. */
  gaps: number;
  /** Devices that did not show in the end what the inbox holds. */
  different: number;
}

export interface LiveOptions {
  changes: number;
  perSecond: number;
  drops: number;
  kills: number;
  users: number;
  /** Devices of each user; one of them is away nearly all the time. */
  each: number;
}

/** Where the scenario is played with other faults of the servers than failing reads and lost hints. */
export interface OtherServers {
  scenario: string;
  /** Breaks servers until it is over, and says how. */
  breakThem: (isOver: () => boolean) => Promise<string>;
}

const instances = 2;
/** So low that inboxes are trimmed, so high that a list has pages. */
const inboxLimit = 60;
const patienceSeconds = 60;

/**
 * Devices on all transports are dropped at random while their users' inboxes change, and come back by their `rev` to any
 * instance; instances are killed, MongoDB fails, and hints are lost. In the end each device shows what
 * the inbox holds.
 */
export async function live(place: Place, options: LiveOptions, servers?: OtherServers): Promise<LiveResult> {
  const { changes, perSecond, each } = options;
  const name = `chaos_${randomBytes(6).toString("hex")}`;
  // A server that only claims to step down tells the driver so at the next heartbeat alone, by default after 10 s.
  const uri = withDatabase(withOption(place.mongoUri, "heartbeatFrequencyMS=500"), name);
  const client = new MongoClient(uri);
  const variables = { DB_URI: uri, EMAIL: "user@receiver.example", INBOX_LIMIT: String(inboxLimit) };
  const folder = mkdtempSync(join(place.folder, "scenario-"));
  const workers = createFleet(variables, folder);
  const fleet = createFleet({ ...variables, ROLES: "api,realtime" }, folder);
  const random = createRandom(place.seed);
  const devices: Device[] = [];
  const began = Date.now();
  let load: InboxUsers | undefined;
  let breaking: Promise<string> | undefined;
  let over = false;
  try {
    await Promise.all([fleet.add("api", instances), workers.add("worker", 1)]);
    const users = newUsers(options.users);
    for (const [index, user] of users.entries()) {
      await notify(fleet.urls()[0] as string, [user]);
      for (let nth = 0; nth < each; nth++)
        devices.push(openDevice(user, oneOfInTurn(transportNames, index + nth), fleet.urls));
    }
    await eventually(() => devices.every((one) => one.listens), "all devices listen", patienceSeconds);
    const strays = devices.filter((_, index) => index % each === 0);
    for (const one of strays) one.leave();

    load = startInboxUsers({
      urls: fleet.urls,
      users,
      itemsOf: (user) =>
        devices
          .filter((one) => one.user === user)
          .at(-1)
          ?.inbox()?.items ?? [],
      changes,
      perSecond,
    });
    breaking = servers ? servers.breakThem(() => over) : breakDatabase(load);
    const kills = await playAlong(
      load,
      devices.filter((one) => !strays.includes(one)),
    );
    await load.done;
    over = true;
    const broken = await breaking;
    for (const one of strays) one.comeBack();

    let different = await compare(fleet.urls()[0] as string, devices);
    // Nobody comes back any more, which would bring the others along: what is stored here is shown there, too.
    for (const url of different.length === 0 ? fleet.urls() : []) {
      for (const user of users) await notify(url, [user]);
      different = [...different, ...(await compare(url, devices))];
    }
    const gaps = devices.flatMap((one) => one.problems.map((text) => `a device by ${one.transport} ${text}`));
    const sum = (of: keyof Device["counts"]) => devices.reduce((all, one) => all + one.counts[of], 0);
    const resyncs = sum("resyncs");
    return {
      scenario: servers?.scenario ?? "live",
      playedAt: new Date(began).toISOString(),
      seed: place.seed,
      played: `${load.made()} changes, at most ${perSecond} a second, of ${users.length} inboxes with ${each} devices each, ${instances} instances, 1 worker: ${sum("drops")} sockets destroyed, ${kills} kills of an instance`,
      took: Math.ceil((Date.now() - began) / 1_000),
      notes: [
        broken,
        `One device of each user was away from the first change to the last: they alone may have to read their lists anew.`,
      ],
      problems: [
        ...load.problems.slice(0, 10),
        ...gaps.slice(0, 10),
        ...different.slice(0, 10),
        ...(resyncs > strays.length
          ? [`${resyncs} resyncs, for ${strays.length} devices that were away long`]
          : []),
      ],
      changes: load.made(),
      refused: load.refused(),
      unanswered: load.unanswered(),
      devices: devices.length,
      drops: sum("drops"),
      kills,
      messages: sum("messages"),
      resyncs,
      gaps: gaps.length,
      different: different.length,
    };
  } finally {
    over = true;
    load?.stop();
    for (const one of devices) one.close();
    await breaking?.catch(() => {});
    await Promise.all([fleet.close(), workers.close()]);
    await tidy(client.db(name));
    await client.close();
  }

  /** Drops and kills at random moments of the changes, which wait when one is overdue. Answers how many were killed. */
  async function playAlong(load: InboxUsers, devices: Device[]): Promise<number> {
    let killed = 0;
    let failure: Error | undefined;
    const untilTrue = <T>(check: () => T | false, what: string) =>
      eventually(
        () => {
          if (failure) throw failure;
          return check();
        },
        what,
        patienceSeconds,
      );
    async function kill(): Promise<void> {
      const victim = oneOf(fleet.members, random);
      await untilTrue(() => victim.up, "the next victim is up again");
      killed++;
      place.say(`  kill ${killed}, ${load.made()} changes`);
      restart(victim).catch((error: Error) => {
        failure = error;
      });
    }
    async function drop(): Promise<void> {
      const listening = await untilTrue(() => {
        const some = devices.filter((one) => one.listens);
        return some.length > 0 && some;
      }, "some device listens");
      oneOf(listening, random).drop(random() < 0.2);
    }
    const moments = (count: number, act: () => Promise<void>) =>
      Array.from({ length: count }, () => ({ at: Math.floor(random() * changes), act }));
    const plan = [...moments(options.kills, kill), ...moments(options.drops, drop)];
    for (const { at, act } of plan.toSorted((a, b) => a.at - b.at)) {
      load.holdAt(at + changes / options.drops);
      await untilTrue(() => load.made() >= at, `${at} changes are made`);
      await act();
    }
    load.holdAt(Number.POSITIVE_INFINITY);
    await untilTrue(() => fleet.members.every((one) => one.up), "all are up again");
    return killed;
  }

  /** Reads fail now and then; half way hints are lost. */
  async function breakDatabase(load: InboxUsers): Promise<string> {
    const task = {
      commands: ["find", "aggregate", "getMore"],
      failures: readFailures,
      random: createRandom(place.seed + 1),
    };
    const half = () => over || load.made() >= changes / 2;
    const before = await failNowAndThen(place.mongoUri, { ...task, until: half });
    const lost = await loseHints(place.mongoUri, name);
    const after = await failNowAndThen(place.mongoUri, { ...task, until: () => over });
    return `MongoDB failed ${before + after} reads and said ${lost} times that an instance fell behind the hints.`;
  }
}

const oneOfInTurn = <T>(all: T[], nth: number): T => all[nth % all.length] as T;

/** Kills it and starts it again, as a supervisor would: what it needs of MongoDB at its start may fail, too. */
async function restart(member: Member): Promise<void> {
  await member.kill();
  for (let tries = 1; ; tries++) {
    try {
      return await member.start();
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

/** Waits until all devices show what the inboxes hold; answers what is otherwise after that time. */
async function compare(url: string, devices: Device[]): Promise<string[]> {
  const held = new Map<string, Inbox>();
  const isDifferent = (one: Device) => !isDeepStrictEqual(one.inbox(), held.get(one.user));
  await eventually(
    async () => {
      for (const user of new Set(devices.map((one) => one.user))) held.set(user, await readInbox(url, user));
      return !devices.some(isDifferent);
    },
    "all devices show what the inboxes hold",
    patienceSeconds,
  ).catch(() => {});
  return devices.filter(isDifferent).map((one) => {
    const [shown, inbox] = [one.inbox(), held.get(one.user)];
    return `a device by ${one.transport} shows ${shown?.items.length} items at rev ${shown?.rev}; the inbox has ${inbox?.total} at rev ${inbox?.rev}`;
  });
}
