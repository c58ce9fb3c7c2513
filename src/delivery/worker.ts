import { every } from "../lib/timers.ts";
import type { DeliveryRun, HeldDelivery, Settlement } from "../model/delivery.ts";
import { nextDelayMs, type RetryPolicy } from "../model/retry-policy.ts";
import type { Claims } from "../store/claims.ts";
import { createHeldLeases } from "./held-leases.ts";
import { createIntake } from "./intake.ts";
import { createOverdueWatch } from "./overdue.ts";
import type { Availability } from "./slot.ts";
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
  const leases = createHeldLeases(options);
  const intake = createIntake(options, leases, pump);
  /** Each run in progress, with the time at which it began. */
  const runs = new Map<Promise<void>, number>();
  const overdue = createOverdueWatch(options, runs);
  const timers: NodeJS.Timeout[] = [];

  function pump(): void {
    while (runs.size < concurrency) {
      const delivery = intake.next();
      if (!delivery) break;
      const done = run(delivery).finally(() => {
        runs.delete(done);
        pump();
      });
      runs.set(done, now());
    }
    intake.look();
  }

  async function run(delivery: HeldDelivery): Promise<void> {
    const leaveTarget = intake.beginAtTarget(delivery);
    const completed = await options.deliver(delivery).catch((error: unknown): DeliveryRun => {
      log.warn(
        { err: error, delivery: delivery.id },
        "a delivery failed with an unexpected error; it will be retried",
      );
      return { attempts: [], result: { kind: "hold", until: now() + leaseMs } };
    });
    leaveTarget(completed.attempts.at(-1));
    const settlement = settlementOf(delivery, completed, now(), options.policy(delivery), options.random());
    if (completed.result.kind === "hold") await intake.pause(completed.result.until);
    // A digest has it, without a lease.
    if (settlement.state === "held") leases.drop(delivery);
    if (settlement.state === "held" || (await leases.settle(settlement)) === "stored")
      options.onSettled(settlement);
    if (settlement.due !== undefined) intake.pollWithin(settlement.due - now());
  }

  async function sweep(): Promise<void> {
    const returned = await claims.sweep(now());
    if (returned === 0) return;
    log.info({ returned }, "leases expired; their deliveries are pending again");
    intake.hint();
    pump();
  }

  const isBusy = () => runs.size > 0 || intake.isBusy();

  const failed = (sentence: string) => (error: unknown) => log.warn({ err: error }, sentence);

  return {
    start(): void {
      const sweepMs = (leaseMs / 2) * (0.9 + 0.2 * options.random());
      const watchMs = Math.min(options.overdueMs, 5_000);
      timers.push(
        every(leaseMs / 3, leases.renew, failed("could not renew leases")),
        every(sweepMs, sweep, failed("could not look for expired leases")),
        every(watchMs, overdue.check, failed("could not look for overdue deliveries")),
      );
      intake.start();
    },
    held: leases.held,
    /** How many deliveries take longer than they should; normally 0. */
    overdue: overdue.count,
    /** A lease for `count` deliveries about to be committed, or undefined when this process has enough to do. */
    reserve: (count: number): { token: string; until: number } | undefined =>
      intake.hasRoomFor(count) ? leases.next() : undefined,
    /** Takes over deliveries committed under a reserved lease that runs until `until`. */
    accept(deliveries: HeldDelivery[], until: number): void {
      void intake.take(deliveries, until).then(pump);
      pump();
    },
    /** A hint that something may be due. */
    wake(): void {
      intake.hint();
      intake.pollWithin(0);
    },
    /** A hint that these are due: claims as many as there is room for; the next poll finds the rest. Never rejects. */
    offer: intake.offer,
    /** Whether something is being claimed or sent, or could be. */
    isBusy,
    /** Sends what is due. Resolves with when there is more to send (Unix ms); undefined when nothing is pending. */
    async drain(): Promise<number | undefined> {
      intake.hint();
      while (isBusy()) {
        pump();
        await Promise.all([intake.settled(), ...runs.keys()]);
      }
      return intake.nextAt();
    },
    /** Stops claiming, releases deliveries that have not begun, and waits up to `graceMs` for those that have. */
    async stop(graceMs: number): Promise<void> {
      const patience = new Promise((resolve) => timers.push(setTimeout(resolve, graceMs)));
      await Promise.race([Promise.all([intake.stop(), ...runs.keys()]), patience]);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

export type Worker = ReturnType<typeof createWorker>;

/** Computes a delivery's next state from the result of its run. Pure. `now`: Unix ms at the end of the run. */
export function settlementOf(
  delivery: HeldDelivery,
  run: DeliveryRun,
  now: number,
  policy: RetryPolicy & { resendUnknown: boolean },
  random: number,
): Settlement {
  const { attempts, result, taken } = run;
  const free = result.kind === "retry" && result.free === true;
  const counts = !free && attempts.some((attempt) => attempt.outcome !== "misconfigured");
  const tries = delivery.tries + (counts ? 1 : 0);
  const base = { delivery, attempts, tries };
  const next = nextOf();
  return taken && next.state !== "pending" && next.state !== "sent" ? { ...base, state: "sent" } : next;

  function nextOf(): Settlement {
    switch (result.kind) {
      case "sent":
        return { ...base, state: "sent", ...(result.providerId && { providerId: result.providerId }) };
      case "decided":
        return decided(result.decision);
      case "rejected":
        return {
          ...base,
          state: "failed",
          reason: result.reason,
          ...(attempts.length === 0 && { detail: result.text }),
        };
      case "held":
        return { ...base, state: "held" };
      case "hold":
        return { ...base, state: "pending", due: result.until };
      case "unknown":
        if (!policy.resendUnknown) return { ...base, state: "uncertain", reason: "unanswered" };
        return again(undefined);
      case "retry":
        return again(result.afterMs);
    }
  }

  function decided(decision: Extract<DeliveryRun["result"], { kind: "decided" }>["decision"]): Settlement {
    const { verdict, rule } = decision;
    const kept = { at: now, verdict, rule };
    if (decision.verdict === "later") {
      const { until } = decision;
      return { ...base, state: "pending", due: until, decision: { ...kept, until } };
    }
    const { reason, text } = decision;
    return { ...base, state: "skipped", reason, detail: text, decision: kept };
  }

  function again(afterMs: number | undefined): Settlement {
    const delay = nextDelayMs(policy, tries, random, afterMs);
    return delay === undefined
      ? { ...base, state: "failed", reason: "exhausted" }
      : { ...base, state: "pending", due: now + delay };
  }
}
