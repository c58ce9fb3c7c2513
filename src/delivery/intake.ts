import { createPoll } from "../lib/timers.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import type { HeldLeases } from "./held-leases.ts";
import type { Availability } from "./slot.ts";
import { createWaiting } from "./waiting.ts";
import type { WorkerOptions } from "./worker.ts";

/**
 * Whether to look for due deliveries. Finished sends alone cause no look: a poll or a hint does, or a claim that found as many
 * as it wanted.
 */
type Search = "idle" | "due" | "claiming" | "claiming, more due";
const afterHint = {
  idle: "due",
  due: "due",
  claiming: "claiming, more due",
  "claiming, more due": "claiming, more due",
} as const;

/**
 * Claims deliveries and keeps them until a slot is free. While the providers are paused it claims none, and after a stop it
 * gives back what comes. `pump` begins sends, and calls `look`.
 */
export function createIntake(options: WorkerOptions, leases: HeldLeases, pump: () => void) {
  const { claims, concurrency, now, log } = options;
  /** Enough for the next claim's round trip, few enough that a crash delays little. */
  const capacity = concurrency * 4;
  const waiting = createWaiting(options);
  let mode: "running" | "stopping" = "running";
  let search: Search = "due";
  /** The providers are paused until then. */
  let pausedUntil = 0;
  /** Places in the queue for offered deliveries that are being claimed. */
  let offered = 0;
  const poll = createPoll(options, () => {
    hint();
    pump();
  });

  function availability(): Availability {
    if (mode === "stopping") return { limit: 0, until: now() };
    return pausedUntil > now() ? { limit: 0, until: pausedUntil } : options.availability();
  }
  /** Those of broadcasts take no place from others. */
  const room = () => capacity - waiting.singles() - offered;

  function hint(): void {
    search = afterHint[search];
  }

  /** Returns the delivery to pending, unsent, due at `due`. */
  function putBack(delivery: HeldDelivery, due: number): void {
    const back = leases.settle({ delivery, attempts: [], state: "pending", tries: delivery.tries, due });
    void untilDone(back.then(() => poll.within(due - now())));
  }

  async function claim(wanted: number): Promise<void> {
    try {
      const lease = leases.next();
      const claimed = await claims.claim(wanted, lease, now());
      await take(claimed, lease.until);
      if (claimed.length === wanted) hint();
      else poll.within(((await claims.nextDue()) ?? Number.POSITIVE_INFINITY) - now());
    } catch (error) {
      log.warn({ err: error }, "could not look for due deliveries");
    }
    search = search === "claiming" ? "idle" : "due";
    if (waiting.size() > 0) pump();
  }

  async function offer(ids: string[]): Promise<void> {
    if (mode === "stopping") return;
    const wanted = ids.slice(0, Math.max(0, Math.min(room(), availability().limit)));
    if (wanted.length < ids.length) hint();
    offered += wanted.length;
    try {
      const lease = leases.next();
      const claimed = wanted.length > 0 ? await claims.claimById(wanted, lease, now()) : [];
      await take(claimed, lease.until);
      // Another worker has them, or they are not due yet because of a clock difference.
      if (claimed.length < wanted.length) poll.within(100);
    } catch (error) {
      log.warn({ err: error }, "could not claim announced deliveries; the next poll finds them");
      hint();
    } finally {
      offered -= wanted.length;
    }
    pump();
  }

  async function take(deliveries: HeldDelivery[], heldUntil: number): Promise<void> {
    const { limit, until } = availability();
    if (limit === 0) return leases.giveBack(deliveries, until ?? now());
    for (const delivery of deliveries) {
      leases.hold(delivery, heldUntil);
      options.onTaken?.(delivery);
    }
    if (options.targetOf) {
      await waiting.findTargets(deliveries);
      if (mode === "stopping") return leases.giveBack(deliveries, now());
    }
    waiting.add(deliveries);
  }

  /** A stop waits for queries under way. Otherwise their deliveries would stay locked until the lease expires. */
  const running = new Set<Promise<void>>();
  function untilDone(query: Promise<void>): Promise<void> {
    running.add(query);
    return query.finally(() => running.delete(query));
  }

  return {
    /** Claims due deliveries if there may be some and there is room. */
    look(): void {
      if (search !== "due" || waiting.size() >= concurrency) return;
      const { limit, until } = availability();
      const wanted = Math.min(room(), limit);
      if (limit === 0) poll.within((until ?? now()) - now());
      // Offered deliveries fill the queue, and `offer` calls `pump` when it ends.
      else if (wanted > 0) {
        search = "claiming";
        void untilDone(claim(wanted));
      }
    },
    /** The next delivery to send. Drops those whose leases are about to end. */
    next(): HeldDelivery | undefined {
      for (;;) {
        const delivery = waiting.next(putBack);
        if (!delivery || leases.isFresh(delivery)) return delivery;
        leases.drop(delivery);
      }
    },
    beginAtTarget: waiting.begin,
    hint,
    pollWithin: poll.within,
    start: poll.start,
    offer: (ids: string[]) => untilDone(offer(ids)),
    /** Whether deliveries are being claimed, or could be. */
    isBusy: () => running.size > 0 || (search !== "idle" && availability().limit > 0),
    /** Resolves when the queries under way are done. */
    settled: () => Promise.all(running),
    /** When something can be claimed (Unix ms); undefined when nothing is pending. */
    async nextAt(): Promise<number | undefined> {
      const due = await claims.nextDue();
      const { limit, until = 0 } = availability();
      return due === undefined || limit > 0 ? due : Math.max(due, until);
    },
    /** Queues claimed deliveries. After a stop, or while the providers are paused, gives them back at once. */
    take,
    hasRoomFor: (count: number) => availability().limit >= count && waiting.singles() + count <= capacity,
    /** No provider is available until then, so the queued deliveries would end the same way: they are given back. */
    pause(until: number): Promise<void> {
      pausedUntil = until;
      return leases.giveBack(waiting.takeAll(), until);
    },
    async stop(): Promise<void> {
      mode = "stopping";
      poll.stop();
      await Promise.all([leases.giveBack(waiting.takeAll(), now()), ...running]);
    },
  };
}
