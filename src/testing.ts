import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { channelNames, channels } from "./channels/index.ts";
import { createCore } from "./core/core.ts";
import { readTime } from "./core/filters.ts";
import { createLocales } from "./core/locales.ts";
import { createTypeRegistry } from "./core/notification-types.ts";
import { createVirtualTime, type Moved } from "./core/virtual-time.ts";
import { createEngine } from "./delivery/engine.ts";
import { createJobRunner } from "./jobs/index.ts";
import { createBelfry } from "./library.ts";
import { readSettings } from "./library-input.ts";
import type { Belfry, BelfryOptions } from "./library-types.ts";
import { SendError } from "./model/delivery.ts";
import { BelfryError } from "./model/errors.ts";
import type { Channel } from "./model/notification.ts";
import type { RetryPolicy } from "./model/retry-policy.ts";
import { connectionOn, databaseOn } from "./store/connect.ts";
import { createStore } from "./store/index.ts";
import { createTestMessages, type SentMessage } from "./testing-messages.ts";

export type { Moved } from "./core/virtual-time.ts";
export type { SentMessage } from "./testing-messages.ts";

export interface TestBelfryOptions extends Omit<BelfryOptions, "clock" | "retentionDays"> {
  /** The time at which the test begins; the real time by default. */
  start?: string | Date;
  /** The service's `TIME_ZONE`: of users who have none. */
  timeZone?: string;
  /** The service's `RETRY_DELAY_MS`, `RETRY_FACTOR` and `MAX_RETRIES`. */
  retry?: Partial<RetryPolicy>;
}

/** A Belfry whose messages are kept instead of sent, and whose time stands still until it is moved. */
export interface TestBelfry extends Belfry {
  /** For another `createBelfry` on the same database. */
  clock: { now(): number };
  /** Moves the time by a duration such as `3d`, and does what is due on the way, in its order and at its time. */
  advance(duration: string): Promise<Moved>;
  /** Moves the time to a moment (ISO 8601), in the same way. */
  at(moment: string | Date): Promise<Moved>;
  /** Does what is due now. Needed after a `notify` in a transaction, or by another Belfry. */
  flush(): Promise<void>;
  /** From now on the channel's provider takes messages, refuses each, or is down: then Belfry tries again later. */
  setProvider(channel: Channel, state: ProviderState): void;
  /** All messages, oldest first. */
  captured(): SentMessage[];
  /** The messages to the user, oldest first. Throws an `AssertionError` when there is none. */
  sentTo(user: string, type?: string): SentMessage[];
  /** Throws an `AssertionError` when something was sent: to the user, or to anybody. */
  nothingSent(user?: string): void;
  /** Forgets the messages so far. */
  clear(): void;
}

export type ProviderState = "works" | "refuses" | "down";

/** The service's defaults. */
const serviceRetry = { delayMs: 10_000, factor: 2, maxRetries: 5 };
/** So long that MongoDB's real clock expires nothing of a test that begins years ago. */
const retentionDays = 3_650;
const earliestMs = (retentionDays - 30) * 24 * 60 * 60_000;
/** Addresses at which nobody can be reached, for users whom the test gives none. */
const newUser = Object.fromEntries(
  channels.flatMap((one) => (one.newUser ? [[one.newUser.field, one.newUser.newcomer]] : [])),
);
const silent = { info() {}, warn() {}, error() {} };

/**
 * Belfry for a test of your own program: what the library and a service do together, in this process. Use a database of
 * the test's own, since everything that is due there counts as sent.
 */
export async function createTestBelfry(options: TestBelfryOptions): Promise<TestBelfry> {
  const { start, timeZone = "UTC", retry, ...given } = options;
  const begin = startOf(start);
  const time = createVirtualTime(() => begin);
  const { clock } = time;
  const messages = createTestMessages(clock.now);
  const belfry = createBelfry({ newUser, retentionDays, ...given, clock });
  await belfry.ready();

  const { client, types, locales: texts, ...settings } = given;
  const { database, defaultLocale, inboxLimit, newUser: users } = readSettings({ newUser, ...settings });
  const store = createStore(await connectionOn(client, databaseOn(client, database)), {
    channels: channelNames(),
    inboxLimit,
    newUser: users,
    retentionDays,
    clock: () => clock.now,
  });
  const { locales } = createLocales(texts, defaultLocale);
  const { registry } = createTypeRegistry({ ...serviceRetry, ...retry }, types, locales);
  const states = new Map<Channel, ProviderState>();
  const open = channels.map((rules) => ({
    rules,
    providers: [{ provider: testProvider(rules.name), cost: () => 1 }],
  }));
  const engine = createEngine(store, registry, open, {
    concurrency: 32,
    leaseMs: 30_000,
    deadlineMs: 20_000,
    timeZone,
    // In the middle: a growing wait is exactly as long as planned.
    random: () => 0.5,
    isVirtual: true,
    onSettled(settlement) {
      time.onSettled(settlement);
      messages.onSettled(settlement);
    },
    log: silent,
  });

  const core = createCore(store, registry, { engine, timeZone });
  const runner = createJobRunner(store, core, {
    leaseMs: 30_000,
    random: () => 0.5,
    onRun: time.onRun,
    onAdvance: time.onAdvance,
    log: silent,
  });

  function testProvider(channel: Channel) {
    return {
      name: "test",
      channel,
      async send(message: Parameters<typeof messages.take>[0]) {
        const state = states.get(channel) ?? "works";
        const said = {
          code: "TEST",
          text: `the test's provider ${state === "down" ? "is down" : "refuses it"}`,
        };
        if (state === "refuses") throw new SendError({ kind: "rejected", reason: "policy", ...said });
        if (state === "down") throw new SendError({ kind: "retry", ailing: true, ...said });
        messages.take(message);
        return {};
      },
      async close() {},
    };
  }

  const flush = async () => {
    await runner.drain();
    await engine.drain();
  };
  const { captured, sentTo, nothingSent, clear } = messages;
  return {
    ...belfry,
    async notify(command, how) {
      const made = await belfry.notify(command, how);
      if (!how?.session) await flush();
      return made;
    },
    async close() {
      await runner.stop(0);
      await engine.stop(0);
      await belfry.close();
    },
    clock,
    advance: (duration) => time.move({ advance: duration }, runner, engine),
    at: (moment) => time.move({ to: moment instanceof Date ? moment.toISOString() : moment }, runner, engine),
    flush,
    setProvider: (channel, state) => void states.set(channel, state),
    captured,
    sentTo,
    nothingSent,
    clear,
  };
}

/** A MongoDB of the test's own, as `belfry start` runs one without `DB_URI`. Its data is gone after `close`. */
export async function startTestMongod(): Promise<{ uri: string; close(): Promise<void> }> {
  const { startManagedMongod } = await import("#mongod");
  const dataDir = await mkdtemp(join(tmpdir(), "belfry-testing-"));
  const mongod = await startManagedMongod({
    dataDir,
    log: (message) => process.stderr.write(`${message}\n`),
  });
  return {
    uri: mongod.uri.replace("/?", "/belfry?"),
    async close() {
      await mongod.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function startOf(start: string | Date | undefined): number {
  const time = typeof start === "string" ? readTime(start) : (start?.getTime() ?? Date.now());
  if (time === undefined || Number.isNaN(time))
    throw new BelfryError("invalid_request", "`start` must be a Date, or ISO 8601 with its zone.");
  if (time < Date.now() - earliestMs)
    throw new BelfryError("invalid_request", "`start` must not be more than nine years ago.");
  return time;
}
