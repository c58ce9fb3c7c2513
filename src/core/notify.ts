import type { Engine } from "../delivery/engine.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import { secondsOfId } from "../model/ids.ts";
import {
  AlreadyStored,
  type Channel,
  Contended,
  isTakenAtOnce,
  type NotifyCommand,
  type PlannedDelivery,
  type PlannedNotification,
} from "../model/notification.ts";
import type { Leases } from "../store/commit.ts";
import type { Store } from "../store/index.ts";
import { createCommitQueue } from "./commit-queue.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { addressed, createPlanner } from "./plan.ts";
import { createReplace } from "./replace.ts";
import { createSendMany, type Keyed } from "./send-many.ts";

const noLeases: Leases = new Map();

export interface NotifierOptions {
  /** The delivery engine, when this process also sends. */
  engine?: Pick<Engine, "reserve" | "accept"> | undefined;
  /** Called with stored deliveries that any worker may take. */
  announce?: (deliveries: Array<{ id: string; channel: Channel; bulk?: true }>) => void;
  /** Called with the users who have a new inbox item, in a process with live connections. */
  touch?: (users: string[]) => void;
  /** The most notifications in one commit, and the most that wait for one. */
  maxBatch?: number;
  maxWaiting?: number;
  /** Milliseconds after which the caller gets an answer even if MongoDB does not; 18,000. */
  answerMs?: number;
  /** Called with the size and outcome of each batch (metrics). */
  onBatch?: (size: number, stored: number) => void;
}

export interface Target {
  user: string;
  /** The notification's id. */
  id: string;
}

/** Stored when there is no error. `replaced`: it has replaced an earlier notification, whose id this is. */
export interface Outcome extends Target {
  error?: BelfryError;
  replaced?: true;
}

/** Turns commands into stored notifications and deliveries. */
export function createNotifier(
  store: Pick<Store, "commit" | "replace" | "idempotency" | "newId" | "newTimedId" | "now">,
  registry: Pick<TypeRegistry, "get" | "keys">,
  options: NotifierOptions = {},
) {
  const { engine, announce, touch, maxBatch = 300, maxWaiting = 10_000, answerMs, onBatch } = options;
  const plan = createPlanner(store, registry);
  const replace = createReplace(store, { announce, touch });
  const queue = createCommitQueue({ commit, maxItems: maxBatch, answerMs });

  async function commit(
    batch: PlannedNotification[],
    waitForLock: boolean,
  ): Promise<Array<undefined | Error>> {
    const deliveries = batch.flatMap((one) => one.deliveries).filter(isTakenAtOnce);
    const leases = (deliveries.length > 0 && engine?.reserve(deliveries)) || noLeases;
    const results = await store.commit(batch, leases, waitForLock);
    const stored = batch.filter((_, index) => results[index] === undefined);
    touch?.(stored.flatMap(({ user, item }) => (item ? [user] : [])));
    engine?.accept(
      stored.flatMap((one) => heldOf(one, leases)),
      leases,
    );
    const free = stored.flatMap((one) =>
      one.deliveries.filter(
        (delivery) => isDueNow(delivery) && !(isTakenAtOnce(delivery) && leases.has(delivery.channel)),
      ),
    );
    if (free.length > 0) announce?.(free);
    const later = results.filter((one) => one instanceof Contended).length;
    onBatch?.(batch.length - later, stored.length);
    return results;
  }

  /**
   * Accepts all or none, since storing part of a request would leave it half done. An empty queue accepts any number.
   */
  function refuseWhenFull(count: number): void {
    const { waiting } = queue;
    if (waiting > 0 && waiting + count > maxWaiting) throw new BelfryError("overloaded");
  }

  /**
   * Notifies each of several users, under the given ids: a repeated call stores nothing twice. Rejects with
   * `invalid_request` or `overloaded` before anything is stored. Otherwise returns one outcome per user, in order.
   */
  async function notifyEach(command: Omit<NotifyCommand, "user">, targets: Target[]): Promise<Outcome[]> {
    const planned = plan({ ...command, user: "" });
    // A broadcast waits by itself while the queue is long.
    if (!command.bulk) refuseWhenFull(targets.length);
    const results = await Promise.allSettled(
      targets.map((target) => {
        const one = addressed(planned, target, store);
        return one.replaces ? replace(one) : queue.submit(one, targets, command.bulk);
      }),
    );
    return targets.map((target, at) => {
      const result = results[at] as (typeof results)[number];
      const error = errorOf(result);
      const found = result.status === "fulfilled" ? result.value : undefined;
      return { ...target, ...(found?.replaced && { id: found.id, replaced: true }), ...(error && { error }) };
    });
  }
  const sendMany = createSendMany(store, { plan, notifyEach });

  return {
    plan,
    /**
     * Resolves with the notification's id and its time (Unix seconds) once it is stored with all its deliveries. Rejects
     * with `BelfryError`: `invalid_request`, `user_document_conflict`, `overloaded`, `database_unavailable` (then it may or
     * may not have been stored), and with a key also as `sendMany`.
     */
    async notify(
      command: NotifyCommand,
      keyed?: Keyed,
    ): Promise<{ id: string; timestamp: number; replayed: boolean; replaced?: true }> {
      if (keyed) {
        const { user, ...rest } = command;
        const { outcomes, replayed } = await sendMany(rest, [user], keyed.key, keyed.path);
        const [{ id, error, replaced }] = outcomes as [Outcome];
        if (error) throw error;
        return { id, timestamp: secondsOfId(id), replayed, ...(replaced && { replaced }) };
      }
      const planned = plan(command);
      refuseWhenFull(1);
      const found = planned.replaces ? await replace(planned) : await queue.submit(planned);
      const timestamp = planned.item?.timestamp ?? Math.floor(store.now() / 1000);
      const { id } = found ?? planned;
      return { id, timestamp, replayed: false, ...(found?.replaced && { replaced: true }) };
    },
    notifyEach,
    sendMany,
    /** How many notifications wait to be stored, without broadcasts. */
    waiting: () => queue.waiting,
    /** How many users of a broadcast `notifyEach` should get at once: fewer while others send. */
    broadcastPage: () => queue.bulkPage,
    drained: queue.drained,
  };
}

export type Notifier = ReturnType<typeof createNotifier>;

const isDueNow = ({ due }: PlannedDelivery): boolean => due === undefined;

function errorOf(result: PromiseSettledResult<unknown>): BelfryError | undefined {
  if (result.status === "fulfilled" || result.reason instanceof AlreadyStored) return undefined;
  const { reason } = result;
  return reason instanceof BelfryError ? reason : new BelfryError("internal", undefined, [], reason);
}

function heldOf({ id: notification, user, deliveries }: PlannedNotification, leases: Leases): HeldDelivery[] {
  return deliveries.filter(isTakenAtOnce).flatMap(({ id, channel, content, rules }) => {
    const token = leases.get(channel)?.token;
    if (token === undefined) return [];
    return [{ id, notification, user, channel, content, ...(rules && { rules }), tries: 0, token }];
  });
}
