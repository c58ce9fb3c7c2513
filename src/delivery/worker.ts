import { type Batcher, createBatcher } from "../lib/batcher.ts";
import type { DeliveryRun, HeldDelivery, Settlement } from "../model/delivery.ts";
import type { RetryPolicy } from "../model/retry-policy.ts";
import type { Claims } from "../store/claims.ts";
import type { Availability } from "./health.ts";
import { settlementOf } from "./settle.ts";
import type { Targets } from "./targets.ts";

/** The queries of one channel. Every call is conditional on a lease, so it may be repeated. */
export type WorkerClaims = Pick<
  Claims,
  "claim" | "claimById" | "renew" | "release" | "settle" | "sweep" | "nextDue"
>;

export interface WorkerOptions {
  claims: WorkerClaims;
  /** Runs the delivery; never throws. */
  deliver: (delivery: HeldDelivery) => Promise<DeliveryRun>;
  /** How many sends the channel's providers can take now: any number, one probe, or none until a moment. */
  availability: () => Availability;
  policy: (delivery: HeldDelivery) => RetryPolicy & { resendUnknown: boolean };
  /** Attempts under way at once. */
  concurrency: number;
  leaseMs: number;
  /** A delivery that takes longer than this is overdue. */
  overdueMs: number;
  /** How often to look for due work that nothing announced. */
  pollMs: number;
  now: () => number;
  random: () => number;
  newToken: () => string;
  /** Called for each claimed delivery, so that the users of a whole claim can be read at once. */
  onTaken?: (delivery: HeldDelivery) => void;
  /** For a channel in which each user has a target of their own: a slow target must not delay the others. */
  targets?: Targets;
  /** The target of a delivery; undefined when it has none. Read before the delivery waits for a slot. */
  targetOf?: (delivery: HeldDelivery) => Promise<string | undefined>;
  /** Called after each settled attempt (metrics). */
  onSettled: (settlement: Settlement) => void;
  log: Record<"info" | "warn" | "error", (details: object, message: string) => void>;
}

/**
 * Claims, sends and settles one channel's deliveries under leases.
 *
 * A slot stays taken until the outcome is stored, so a crash can repeat at most `concurrency` sends. Before a send, a
 * third of the lease must remain: a process that was suspended and resumed drops its deliveries instead of sending
 * them while another worker does.
 */
export function createWorker(options: WorkerOptions) {
  const { claims, concurrency, leaseMs, now, log } = options;
  /** Enough for the next claim's round trip, few enough that a crash delays little. */
  const capacity = concurrency * 4;
  const queue: HeldDelivery[] = [];
  /** Each delivery in progress, with the time at which it began. */
  const active = new Map<HeldDelivery, number>();
  const heldUntil = new Map<HeldDelivery, number>();
  const timers = new Set<NodeJS.Timeout>();
  /**
   * False after a claim that found less than it wanted, until a poll or a hint. Finished sends alone must not cause
   * claims.
   */
  let mayBeDue = true;
  let claiming = false;
  /** Places in the queue for offered deliveries that are being claimed. */
  let offered = 0;
  let stopping = false;
  /** Nothing is claimed before this time, because the providers are paused. */
  let restUntil = 0;
  const availability = (): Availability =>
    restUntil > now() ? { limit: 0, until: restUntil } : options.availability();
  let pollTimer: NodeJS.Timeout | undefined;
  let activeDone: (() => void) | undefined;

  const settlements: Batcher<Settlement, void> = createBatcher({
    async run(batch) {
      const { lost } = await claims.settle(batch, now());
      if (lost > 0) log.warn({ lost }, "late outcomes refused: another worker holds the leases");
      return batch.map(() => undefined);
    },
    maxItems: 500,
  });

  const freshUntil = (delivery: HeldDelivery) => (heldUntil.get(delivery) ?? 0) - leaseMs / 3;

  function pump(): void {
    while (!stopping && active.size < concurrency) {
      const delivery = nextInQueue();
      if (!delivery) break;
      if (now() > freshUntil(delivery)) heldUntil.delete(delivery);
      else void run(delivery);
    }
    if (!mayBeDue || claiming || stopping || queue.length >= concurrency) return;
    const { limit, until } = availability();
    if (limit === 0) {
      schedulePoll((until ?? now()) - now());
      return;
    }
    const wanted = Math.min(capacity - queue.length - offered, limit);
    // Offered deliveries fill the queue, and `offer` calls `pump` when it ends.
    if (wanted < 1) return;
    claiming = true;
    void awaited(claim(wanted)).finally(() => {
      claiming = false;
      if (queue.length > 0) pump();
    });
  }

  const targetOf = new WeakMap<HeldDelivery, string>();

  /** The first delivery whose target can take one. Deliveries to slow and paused targets stay or are put back. */
  function nextInQueue(): HeldDelivery | undefined {
    for (let at = 0; at < queue.length; ) {
      const delivery = queue[at] as HeldDelivery;
      const target = targetOf.get(delivery);
      const admission = target === undefined ? "go" : (options.targets?.admit(target) ?? "go");
      if (admission === "wait") at++;
      else queue.splice(at, 1);
      if (admission === "go") return delivery;
      if (admission !== "wait") void putBack(delivery, admission.until);
    }
    return undefined;
  }

  /** Returns the delivery to pending, unsent, due at `due`. */
  async function putBack(delivery: HeldDelivery, due: number): Promise<void> {
    await store({ delivery, attempts: [], state: "pending", tries: delivery.tries, due });
    heldUntil.delete(delivery);
    schedulePoll(due - now());
  }

  async function run(delivery: HeldDelivery): Promise<void> {
    active.set(delivery, now());
    const target = targetOf.get(delivery);
    const leaveTarget = target === undefined ? undefined : options.targets?.begin(target);
    const completed = await options.deliver(delivery).catch((error: unknown): DeliveryRun => {
      log.warn(
        { err: error, delivery: delivery.id },
        "a delivery failed with an unexpected error; it will be retried",
      );
      return { attempts: [], result: { kind: "hold", until: now() + options.leaseMs } };
    });
    leaveTarget?.(completed.attempts.at(-1));
    const settlement = settlementOf(delivery, completed, now(), options.policy(delivery), options.random());
    // No provider is available, so the queued deliveries would end the same way.
    if (completed.result.kind === "hold") {
      restUntil = completed.result.until;
      await giveBack(queue.splice(0), restUntil);
    }
    if (await store(settlement)) options.onSettled(settlement);
    if (settlement.due !== undefined) schedulePoll(settlement.due - now());
    heldUntil.delete(delivery);
    active.delete(delivery);
    if (active.size === 0) activeDone?.();
    pump();
  }

  /** Tries until the outcome is stored or the lease has expired; then another worker has the delivery. */
  async function store(settlement: Settlement): Promise<boolean> {
    for (;;) {
      try {
        await settlements.submit(settlement);
        return true;
      } catch (error) {
        log.warn(
          { err: error, delivery: settlement.delivery.id },
          "an outcome could not be stored; trying again",
        );
        if (now() > (heldUntil.get(settlement.delivery) ?? 0)) return false;
        await new Promise((resolve) => setTimeout(resolve, 200 + 300 * options.random()));
      }
    }
  }

  async function giveBack(deliveries: HeldDelivery[], due: number): Promise<void> {
    if (deliveries.length === 0) return;
    for (const delivery of deliveries) heldUntil.delete(delivery);
    await claims.release(deliveries, due).catch((error: unknown) => {
      log.warn(
        { err: error, count: deliveries.length },
        "could not release deliveries; they are pending again when their leases expire",
      );
    });
  }

  async function claim(wanted: number): Promise<void> {
    mayBeDue = false;
    try {
      const lease = { token: options.newToken(), until: now() + leaseMs };
      const claimed = await claims.claim(wanted, lease, now());
      await take(claimed, lease.until);
      if (claimed.length === wanted) mayBeDue = true;
      else schedulePoll(((await claims.nextDue()) ?? Number.POSITIVE_INFINITY) - now());
    } catch (error) {
      log.warn({ err: error }, "could not look for due deliveries");
    }
  }

  async function offer(ids: string[]): Promise<void> {
    if (stopping) return;
    const room = Math.max(0, Math.min(capacity - queue.length - offered, availability().limit));
    const wanted = ids.slice(0, room);
    if (wanted.length < ids.length) mayBeDue = true;
    offered += wanted.length;
    try {
      const lease = { token: options.newToken(), until: now() + leaseMs };
      const claimed = wanted.length > 0 ? await claims.claimById(wanted, lease, now()) : [];
      await take(claimed, lease.until);
      // Another worker has them, or they are not due yet because of a clock difference.
      if (claimed.length < wanted.length) schedulePoll(100);
    } catch (error) {
      log.warn({ err: error }, "could not claim announced deliveries; the next poll finds them");
      mayBeDue = true;
    } finally {
      offered -= wanted.length;
    }
    pump();
  }

  /** Queues claimed deliveries. After a stop, or while the providers are paused, gives them back at once. */
  async function take(deliveries: HeldDelivery[], until: number): Promise<void> {
    const { limit, until: restsUntil } = availability();
    if (stopping || limit === 0) return giveBack(deliveries, stopping ? now() : (restsUntil ?? now()));
    for (const delivery of deliveries) {
      heldUntil.set(delivery, until);
      options.onTaken?.(delivery);
    }
    if (options.targetOf) {
      const targets = await Promise.all(
        // The delivery's own run reports a profile that cannot be read.
        deliveries.map((one) => options.targetOf?.(one).catch(() => undefined)),
      );
      for (const [at, target] of targets.entries())
        if (target !== undefined) targetOf.set(deliveries[at] as HeldDelivery, target);
      if (stopping) return giveBack(deliveries, now());
    }
    queue.push(...deliveries);
  }

  /** A stop waits for running claims. Otherwise their deliveries would stay locked until the lease expires. */
  const running = new Set<Promise<void>>();
  function awaited(claim: Promise<void>): Promise<void> {
    running.add(claim);
    return claim.finally(() => running.delete(claim));
  }

  /** At most one poll is scheduled: the earlier of the two wins. */
  let pollAt = Number.POSITIVE_INFINITY;
  function schedulePoll(inMs: number): void {
    const wait = Math.min(Math.max(inMs, 10), options.pollMs);
    if (stopping || now() + wait >= pollAt) return;
    clearTimeout(pollTimer);
    pollAt = now() + wait;
    pollTimer = setTimeout(() => {
      pollAt = Number.POSITIVE_INFINITY;
      mayBeDue = true;
      schedulePoll(options.pollMs);
      pump();
    }, wait);
  }

  async function renew(): Promise<void> {
    const held = [...heldUntil.keys()];
    if (held.length === 0) return;
    const until = now() + leaseMs;
    const kept = await claims.renew(held, until);
    for (const delivery of held)
      if (kept.has(delivery.id) && heldUntil.has(delivery)) heldUntil.set(delivery, until);
  }

  async function sweep(): Promise<void> {
    const returned = await claims.sweep(now());
    if (returned === 0) return;
    log.info({ returned }, "leases expired; their deliveries are pending again");
    mayBeDue = true;
    pump();
  }

  const overdue = () => [...active.values()].filter((since) => now() - since > options.overdueMs).length;

  let alarmed = false;
  async function watchOverdue(): Promise<void> {
    const count = overdue();
    if (count > 0 === alarmed) return;
    alarmed = count > 0;
    const details = { count, overdueMs: options.overdueMs };
    if (alarmed) log.error(details, "deliveries take too long: a provider or the database does not answer");
    else log.info(details, "no delivery is overdue any more");
  }

  /** Runs the task at once and then every `ms`, never twice at a time. */
  function every(ms: number, task: () => Promise<void>, failure: string): void {
    let busy = false;
    const tick = () => {
      if (busy) return;
      busy = true;
      task()
        .catch((error: unknown) => log.warn({ err: error }, failure))
        .finally(() => {
          busy = false;
        });
    };
    timers.add(setInterval(tick, ms));
    tick();
  }

  return {
    start(): void {
      every(leaseMs / 3, renew, "could not renew leases");
      every((leaseMs / 2) * (0.9 + 0.2 * options.random()), sweep, "could not look for expired leases");
      every(Math.min(options.overdueMs, 5_000), watchOverdue, "could not look for overdue deliveries");
      schedulePoll(0);
    },
    /** How many deliveries take longer than they should; normally 0. */
    overdue,
    /** A lease for `count` deliveries about to be committed, or undefined when this process has enough to do. */
    reserve(count: number): { token: string; until: number } | undefined {
      const { limit } = availability();
      if (stopping || limit < count || queue.length + count > capacity) return undefined;
      return { token: options.newToken(), until: now() + leaseMs };
    },
    /** Takes over deliveries committed under a reserved lease that runs until `until`. */
    accept(deliveries: HeldDelivery[], until: number): void {
      void take(deliveries, until).then(pump);
      pump();
    },
    /** A hint that something may be due. */
    wake(): void {
      mayBeDue = true;
      schedulePoll(0);
    },
    /** A hint that these are due: claims as many as there is room for; the next poll finds the rest. Never rejects. */
    offer: (ids: string[]): Promise<void> => awaited(offer(ids)),
    /** Stops claiming, releases deliveries that have not begun, and waits up to `graceMs` for those that have. */
    async stop(graceMs: number): Promise<void> {
      stopping = true;
      clearTimeout(pollTimer);
      const finished = new Promise<void>((resolve) => {
        activeDone = resolve;
      });
      const patience = new Promise((resolve) => timers.add(setTimeout(resolve, graceMs)));
      const done = [giveBack(queue.splice(0), now()), ...running, ...(active.size > 0 ? [finished] : [])];
      await Promise.race([Promise.all(done), patience]);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

export type Worker = ReturnType<typeof createWorker>;
