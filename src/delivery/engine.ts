import type { HeldDelivery } from "../model/delivery.ts";
import { type Channel, channels, type PlannedDelivery } from "../model/notification.ts";
import type { RetryPolicy } from "../model/schedule.ts";
import { type AttemptPartners, channelAvailability, type Line, takeTurn } from "./attempt.ts";
import type { HealthState } from "./health.ts";
import { giveUpPoison, type PoisonBooks } from "./poison.ts";
import { createWorker, type DeliveryBooks, type Worker, type WorkerOptions } from "./worker.ts";

export type Lease = { token: string; until: number };

export interface Engine {
  start(): void;
  /** Leases for deliveries about to be committed, for the channels whose workers have room. */
  reserve(deliveries: PlannedDelivery[]): Map<Channel, Lease>;
  /** Takes over deliveries that were committed under these leases. */
  accept(deliveries: HeldDelivery[], leases: ReadonlyMap<Channel, Lease>): void;
  /** A hint that deliveries of this channel may be waiting. */
  wake(channel: Channel): void;
  /** A hint that these of this channel are due. Never rejects. */
  offer(channel: Channel, ids: string[]): Promise<void>;
  /** Whoever was to take these ended each time: too often, and they are given up. Rejects when the database does. */
  bury(channel: Channel, ids: string[]): Promise<void>;
  /** Each provider's health by name. */
  health(): Record<string, HealthState>;
  stop(graceMs: number): Promise<void>;
}

type Shared = Pick<
  WorkerOptions,
  "concurrency" | "leaseMs" | "pollMs" | "now" | "random" | "newToken" | "onSettled" | "log"
>;

export interface EngineOptions
  extends Shared,
    Pick<AttemptPartners, "render" | "recipient" | "suppress" | "sleep"> {
  lines: Record<Channel, Line[]>;
  books: (
    channel: Channel,
  ) => DeliveryBooks & PoisonBooks & { begin(delivery: HeldDelivery): Promise<boolean> };
  policy: (type: string) => RetryPolicy & { resendUnknown: boolean };
}

/** One worker a channel, so that an outage of one takes no slot from another. */
export function createEngine(options: EngineOptions): Engine {
  const { lines, policy, now } = options;
  const workers = new Map<Channel, Worker>();
  const booksOf = new Map<Channel, PoisonBooks>();
  for (const channel of channels) {
    const books = options.books(channel);
    const partners = { ...options, lines: lines[channel] };
    const worker = createWorker({
      ...options,
      books,
      policy: (delivery) => policy(delivery.content.key),
      availability: () => channelAvailability(lines[channel], now()),
      turn: (delivery) =>
        takeTurn(
          delivery,
          policy(delivery.content.key).resendUnknown ? partners : { ...partners, begin: books.begin },
        ),
    });
    workers.set(channel, worker);
    booksOf.set(channel, books);
  }
  const workerOf = (channel: Channel) => workers.get(channel) as Worker;

  return {
    start() {
      for (const worker of workers.values()) worker.start();
    },
    reserve(deliveries) {
      const leases = new Map<Channel, Lease>();
      for (const [channel, group] of byChannel(deliveries)) {
        const lease = workerOf(channel).reserve(group.length);
        if (lease) leases.set(channel, lease);
      }
      return leases;
    },
    accept(deliveries, leases) {
      for (const [channel, group] of byChannel(deliveries))
        workerOf(channel).accept(group, (leases.get(channel) as Lease).until);
    },
    wake: (channel) => workerOf(channel).wake(),
    offer: (channel, ids) => workerOf(channel).offer(ids),
    async bury(channel, ids) {
      await giveUpPoison(ids, booksOf.get(channel) as PoisonBooks, options);
      workerOf(channel).wake();
    },
    health: () =>
      Object.fromEntries(
        Object.values(lines).flatMap((all) => all.map((line) => [line.provider.name, line.health.state()])),
      ),
    async stop(graceMs) {
      await Promise.all([...workers.values()].map((worker) => worker.stop(graceMs)));
    },
  };
}

function byChannel<T extends { channel: Channel }>(deliveries: T[]): Map<Channel, T[]> {
  const groups = new Map<Channel, T[]>();
  for (const delivery of deliveries) {
    const group = groups.get(delivery.channel);
    if (group) group.push(delivery);
    else groups.set(delivery.channel, [delivery]);
  }
  return groups;
}
