import { type Batcher, createBatcher } from "../model/batcher.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import { BelfryError, type ErrorDetail } from "../model/errors.ts";
import { problemInData, problemInText } from "../model/free-data.ts";
import type {
  Channel,
  InboxItem,
  NotifyCommand,
  PlannedDelivery,
  PlannedNotification,
} from "../model/notification.ts";
import type { Catalog } from "./catalog.ts";

type Leases = ReadonlyMap<Channel, { token: string; until: number }>;
const noLeases: Leases = new Map();

export interface NotifyPartners {
  catalog: Pick<Catalog, "get" | "keys">;
  /** Stores a batch; one entry a notification, in order. */
  commit: (batch: PlannedNotification[], leases: Leases) => Promise<Array<undefined | Error>>;
  /** Present when this process also sends. */
  engine?: {
    reserve(deliveries: PlannedDelivery[]): Leases;
    accept(deliveries: HeldDelivery[], leases: Leases): void;
  };
  /** Told of deliveries that were stored for any worker to take. */
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void;
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
  drained(): Promise<void>;
}

export function createNotifier(partners: NotifyPartners): Notifier {
  const { catalog, engine, newId, now } = partners;

  /**
   * Two batches in flight, so that MongoDB works on one while it waits for the other's journal. A user's notifications
   * all take the same lane: they stay in order, and two transactions of this process never touch the same user.
   */
  const lanes: Array<Batcher<PlannedNotification, undefined>> = Array.from({ length: 2 }, () =>
    createBatcher({ run: commit, maxItems: partners.maxBatch, maxWaiting: Number.POSITIVE_INFINITY }),
  );
  const waiting = () => lanes.reduce((sum, lane) => sum + lane.waiting, 0);

  async function commit(batch: PlannedNotification[]): Promise<Array<undefined | Error>> {
    const deliveries = batch.flatMap((one) => one.deliveries);
    const leases = (deliveries.length > 0 && engine?.reserve(deliveries)) || noLeases;
    const results = await partners.commit(batch, leases);
    const stored = batch.filter((_, index) => results[index] === undefined);
    engine?.accept(
      stored.flatMap((one) => heldOf(one, leases)),
      leases,
    );
    const free = stored.flatMap((one) => one.deliveries.filter(({ channel }) => !leases.has(channel)));
    if (free.length > 0) partners.announce(free);
    partners.onBatch(batch.length, stored.length);
    return results;
  }

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
    const wanted = command.channels;
    const outbound = wanted ? wanted.filter((channel) => channel !== "inbox") : type.channels;
    return {
      id,
      user,
      ...((wanted ? wanted.includes("inbox") : type.inbox) && { item }),
      deliveries: outbound.map((channel) => ({ id: newId(), channel, content })),
    };
  }

  return {
    async notify(command) {
      const planned = plan(command);
      if (waiting() >= partners.maxWaiting) throw new BelfryError("overloaded");
      await (lanes[laneOf(planned.user)] as (typeof lanes)[number]).submit(planned);
      return { id: planned.id };
    },
    drained: async () => void (await Promise.all(lanes.map((lane) => lane.drained()))),
  };
}

/** An ObjectId's last digits count up, other ids end in what tells them apart. */
const laneOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;

function heldOf({ id: notification, user, deliveries }: PlannedNotification, leases: Leases): HeldDelivery[] {
  return deliveries.flatMap(({ id, channel, content }) => {
    const token = leases.get(channel)?.token;
    return token === undefined ? [] : [{ id, notification, user, channel, content, tries: 0, token }];
  });
}

function problemIn(command: NotifyCommand): ErrorDetail | undefined {
  for (const field of ["title", "body"] as const) {
    const found = command[field] === undefined ? undefined : problemInText(command[field], `/${field}`);
    if (found) return found;
  }
  return command.data === undefined ? undefined : problemInData(command.data, "/data");
}
