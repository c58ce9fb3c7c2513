import { type Batcher, createBatcher } from "../model/batcher.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import { BelfryError, type ErrorDetail } from "../model/errors.ts";
import { problemInData, problemInText } from "../model/free-data.ts";
import type { InboxItem, NotifyCommand, PlannedNotification } from "../model/notification.ts";
import type { Catalog } from "./catalog.ts";

export interface NotifyPartners {
  catalog: Pick<Catalog, "get" | "keys">;
  /** Stores a batch; one entry a notification, in order. */
  commit: (
    batch: PlannedNotification[],
    lease: { token: string; until: number } | undefined,
  ) => Promise<Array<undefined | Error>>;
  /** Present when this process also sends. */
  worker?: {
    reserve(count: number): { token: string; until: number } | undefined;
    accept(deliveries: HeldDelivery[], until: number): void;
    wake(): void;
  };
  newId: () => string;
  now: () => number;
  /** Notifications in one commit, and waiting for one. */
  maxBatch: number;
  maxWaiting: number;
  /** Told the size and outcome of each batch (metrics). */
  onBatch: (size: number, stored: number) => void;
}

export interface Notifier {
  /**
   * Resolves with the notification's id once it is stored with all its deliveries, whatever happens to this process
   * afterwards. Rejects with `BelfryError`: `invalid_request`, `user_document_conflict`, `overloaded`,
   * `database_unavailable` (then it may or may not have been stored).
   */
  notify(command: NotifyCommand): Promise<{ id: string }>;
  readonly waiting: number;
  drained(): Promise<void>;
}

export function createNotifier(partners: NotifyPartners): Notifier {
  const { catalog, worker, newId, now } = partners;

  /**
   * Two batches in flight, so that MongoDB works on one while it waits for the other's journal. A user's notifications
   * all take the same lane: they stay in order, and two transactions of this process never touch the same user.
   */
  const lanes: Array<Batcher<PlannedNotification, undefined>> = Array.from({ length: 2 }, () =>
    createBatcher({
      async run(batch) {
        const deliveries = batch.reduce((sum, one) => sum + one.deliveries.length, 0);
        const lease = deliveries > 0 ? worker?.reserve(deliveries) : undefined;
        const results = await partners.commit(batch, lease);
        const stored = batch.filter((_, index) => results[index] === undefined);
        if (lease)
          worker?.accept(
            stored.flatMap((one) => held(one, lease.token)),
            lease.until,
          );
        else if (deliveries > 0) worker?.wake();
        partners.onBatch(batch.length, stored.length);
        return results as Array<undefined | Error>;
      },
      maxItems: partners.maxBatch,
      maxWaiting: Number.POSITIVE_INFINITY,
    }),
  );
  const waiting = () => lanes.reduce((sum, lane) => sum + lane.waiting, 0);

  function plan(command: NotifyCommand): PlannedNotification {
    const type = catalog.get(command.type);
    if (!type)
      throw new BelfryError(
        "invalid_request",
        `There is no notification type ${JSON.stringify(command.type)}.`,
        [{ pointer: "/key", detail: `must be one of ${catalog.keys.join(", ")}` }],
      );
    const problem = problemIn(command);
    if (problem)
      throw new BelfryError("invalid_request", `The field ${problem.pointer} ${problem.detail}.`, [problem]);
    const id = newId();
    const at = now();
    const user = command.user;
    const { title, body, targetId, data } = command;
    const words = { ...(title !== undefined && { title }), ...(body !== undefined && { body }) };
    const item: InboxItem = {
      id,
      timestamp: Math.floor(at / 1000),
      is_new: true,
      user_id: user,
      key: command.type,
      ...words,
      ...(targetId !== undefined && { target_id: targetId }),
      ...(data !== undefined && { data }),
    };
    const content = {
      key: command.type,
      at,
      ...words,
      ...(targetId !== undefined && { targetId }),
      ...(data !== undefined && { data }),
    };
    return {
      id,
      user,
      ...(type.inbox && { item }),
      deliveries: type.channels.map((channel) => ({ id: newId(), channel, content })),
    };
  }

  return {
    async notify(command) {
      const planned = plan(command);
      if (waiting() >= partners.maxWaiting) throw new BelfryError("overloaded");
      await (lanes[laneOf(planned.user)] as (typeof lanes)[number]).submit(planned);
      return { id: planned.id };
    },
    get waiting() {
      return waiting();
    },
    drained: async () => void (await Promise.all(lanes.map((lane) => lane.drained()))),
  };
}

/** An ObjectId's last digits count up, other ids end in what tells them apart. */
const laneOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;

function held(one: PlannedNotification, token: string): HeldDelivery[] {
  return one.deliveries.map(({ id, channel, content }) => ({
    id,
    notification: one.id,
    user: one.user,
    channel,
    content,
    tries: 0,
    token,
  }));
}

function problemIn(command: NotifyCommand): ErrorDetail | undefined {
  for (const field of ["title", "body"] as const) {
    const found = command[field] === undefined ? undefined : problemInText(command[field], `/${field}`);
    if (found) return found;
  }
  return command.data === undefined ? undefined : problemInData(command.data, "/data");
}
