import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { OpenChannel } from "../channels/open.ts";
import type { TypeRegistry } from "../core/notification-types.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Recipient } from "../model/channel.ts";
import type { HeldDelivery, Settlement } from "../model/delivery.ts";
import type { Channel, PlannedDelivery } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { type DeliverOptions, deliver } from "./deliver.ts";
import { watchEndpoint } from "./endpoints.ts";
import { channelAvailability, createSlot, type HealthState, ratePatienceMs } from "./slot.ts";
import { createTargets, hostOf } from "./targets.ts";
import { createTurn, type TurnRegistry, type TurnStore } from "./turn.ts";
import { createWorker, type Worker, type WorkerOptions } from "./worker.ts";

export type Lease = { token: string; until: number };

export interface EngineOptions
  extends Pick<WorkerOptions, "concurrency" | "leaseMs" | "onSettled" | "log">,
    Pick<DeliverOptions, "deadlineMs"> {
  /** The time zone of users who have none. */
  timeZone: string;
  /** From 0 up to 1: spreads retries. */
  random?: () => number;
  /** Virtual time may jump between a lease and the commit of its delivery, so `reserve` gives none. */
  isVirtual?: boolean;
}

const pollMs = 1_000;

/** One worker per channel, so that an outage of one channel takes no slot from another. */
export function createEngine(
  store: Pick<Store, "claims" | "users" | "newId"> & TurnStore,
  registry: Pick<TypeRegistry, "policy" | "render"> & TurnRegistry,
  open: OpenChannel[],
  options: EngineOptions,
) {
  const { now } = store;
  const { policy, render } = registry;
  const decide = createTurn(registry, store, options.timeZone);
  const { concurrency, deadlineMs, log } = options;
  const recipients = createBatcher({ run: store.users.many, maxItems: 200 });
  const channels = open.map(({ rules, providers }) => ({
    rules,
    slots: providers.map((one) => createSlot(one, { now, log })),
  }));
  const workers = new Map<Channel, Worker>();
  /**
   * The users of claimed deliveries. Those of a whole claim are read in one query: reading each before its send took a query
   * for every eight deliveries, and a wait in each slot. A delivery has no entry once its user has changed.
   */
  const read = new WeakMap<HeldDelivery, { at: number; recipient: Promise<Recipient> }>();
  for (const { rules, slots } of channels) {
    const channel = rules.name;
    const claims = store.claims(channel);
    let suppressedAt = 0;
    const recipientOf = (delivery: HeldDelivery): Promise<Recipient> => {
      const known = read.get(delivery);
      // After a suppression: other claimed deliveries may be for the same user.
      if (known && known.at > suppressedAt && now() - known.at < freshMs) return known.recipient;
      const recipient = recipients.submit(delivery.user);
      read.set(delivery, { at: now(), recipient });
      return recipient;
    };
    const suppress: DeliverOptions["suppress"] = (user, of, address, reason) =>
      store.users.suppress(user, of, { address, reason, at: new Date(now()) }).finally(() => {
        suppressedAt = now();
      });
    const shared = {
      rules,
      slots,
      render,
      recipient: recipientOf,
      isOutdated: (delivery: HeldDelivery) => !read.has(delivery),
      decide,
      suppress,
      deadlineMs,
      now,
      sleep,
    };
    const targets = channel === "webhook" && {
      targets: createTargets({ now, concurrency }),
      targetOf: async (delivery: HeldDelivery) => hostOf((await recipientOf(delivery)).webhook?.url),
      onSettled(settlement: Settlement) {
        options.onSettled(settlement);
        const disable = (user: string, url: string) => suppress(user, channel, url, "failing");
        void watchEndpoint(settlement, read.get(settlement.delivery)?.recipient, store, disable, log);
      },
    };
    // Only deliveries that must not be sent twice, that ended a worker before, or whose user may be erased, are marked as
    // begun. The others save the write. An erased user's deliveries have lost their leases.
    const optionsFor = ({ content, interruptions }: HeldDelivery): DeliverOptions => {
      const once = !policy(content.key).resendUnknown;
      return {
        ...shared,
        resendUnknown: !once,
        begin: async (delivery, { missing }) =>
          once || interruptions !== undefined || missing
            ? claims.begin(delivery, once ? "once" : "again")
            : true,
      };
    };
    const worker = createWorker({
      ...options,
      ...targets,
      pollMs,
      now,
      random: options.random ?? (() => randomInt(2 ** 32) / 2 ** 32),
      newToken: store.newId,
      // The run reports the error. This avoids an unhandled rejection when no run waits for it.
      onTaken: (delivery) => void recipientOf(delivery).catch(() => {}),
      claims,
      // One run may use every provider. The rest of the time is for the database.
      overdueMs: (deadlineMs + ratePatienceMs) * Math.max(1, slots.length) + databaseMs,
      policy: (delivery) => policy(delivery.content.key),
      availability: () => channelAvailability(slots, now()),
      deliver: (delivery) => deliver(delivery, optionsFor(delivery)),
    });
    workers.set(channel, worker);
  }
  const workerOf = (channel: Channel) => workers.get(channel) as Worker;

  return {
    start(): void {
      for (const worker of workers.values()) worker.start();
    },
    /** Leases for deliveries about to be committed, for the channels whose workers have room. */
    reserve(deliveries: PlannedDelivery[]): Map<Channel, Lease> {
      const leases = new Map<Channel, Lease>();
      if (options.isVirtual) return leases;
      for (const [channel, group] of byChannel(deliveries)) {
        const lease = workerOf(channel).reserve(group.length);
        if (lease) leases.set(channel, lease);
      }
      return leases;
    },
    /** Takes over deliveries that were committed under these leases. */
    accept(deliveries: HeldDelivery[], leases: ReadonlyMap<Channel, Lease>): void {
      for (const [channel, group] of byChannel(deliveries))
        workerOf(channel).accept(group, (leases.get(channel) as Lease).until);
    },
    /**
     * Sends what is due, one channel after the other. Resolves with when there is more to send (Unix ms), while nothing is
     * being sent; undefined when nothing is pending.
     */
    async drain(): Promise<number | undefined> {
      for (;;) {
        const times: number[] = [];
        for (const worker of workers.values()) times.push((await worker.drain()) ?? Number.POSITIVE_INFINITY);
        const next = Math.min(...times);
        if (![...workers.values()].some((worker) => worker.isBusy()))
          return next === Number.POSITIVE_INFINITY ? undefined : next;
      }
    },
    /** A hint that deliveries of this channel may be waiting. */
    wake: (channel: Channel): void => workerOf(channel).wake(),
    /** A hint that these deliveries of the channel are due. Never rejects. */
    offer: (channel: Channel, ids: string[]): Promise<void> => workerOf(channel).offer(ids),
    /** Each provider's health, by channel and name: one name may serve two channels. */
    health: (): Record<Channel, Record<string, HealthState>> =>
      Object.fromEntries(
        channels.map(({ rules, slots }) => [
          rules.name,
          Object.fromEntries(slots.map((slot) => [slot.provider.name, slot.health.state()])),
        ]),
      ),
    /** How many deliveries of each channel are overdue. */
    overdue: (): Record<Channel, number> =>
      Object.fromEntries([...workers].map(([channel, worker]) => [channel, worker.overdue()])),
    /** The user's document has changed: no claimed delivery is sent by what was read before. */
    forget(user: string): void {
      for (const worker of workers.values())
        for (const delivery of worker.held()) if (delivery.user === user) read.delete(delivery);
    },
    async stop(graceMs: number): Promise<void> {
      await Promise.all([...workers.values()].map((worker) => worker.stop(graceMs)));
    },
  };
}

export type Engine = ReturnType<typeof createEngine>;

/** Time to read a profile and to store an outcome. */
const databaseMs = 5_000;

/** A user that was read for a delivery longer ago is read again for its send. */
const freshMs = 1_000;

function byChannel<T extends { channel: Channel }>(deliveries: T[]): Map<Channel, T[]> {
  const groups = new Map<Channel, T[]>();
  for (const delivery of deliveries) {
    const group = groups.get(delivery.channel);
    if (group) group.push(delivery);
    else groups.set(delivery.channel, [delivery]);
  }
  return groups;
}
