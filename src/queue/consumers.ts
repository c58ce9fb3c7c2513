import { setTimeout as sleep } from "node:timers/promises";
import { type AsyncMessage, type Connection, ConsumerStatus } from "rabbitmq-client";
import type { Channel } from "../model/notification.ts";
import { readAnnouncement } from "./message.ts";
import type { Topology } from "./topology.ts";

export interface ConsumerPartners {
  /** Claims what is due of these, as far as there is room. Never rejects. */
  take: (channel: Channel, ids: string[]) => Promise<void>;
  /** Notes that handling these ended its process time and again; when `repeated`, it may be noted already. Rejects when it could not be noted. */
  bury: (channel: Channel, ids: string[], repeated: boolean) => Promise<void>;
}

interface Partners extends ConsumerPartners {
  connection: Connection;
  topology: Topology;
  onError: (error: Error) => void;
  /** All consumers are set up. */
  onWorking: () => void;
  log: { warn(details: object, message: string): void };
}

/** Few, so that several workers share what waits. */
const prefetch = 8;
const buryAgainMs = 1_000;

/**
 * Receives announcements, and drains the dead-letter queue.
 *
 * A message is acknowledged once its deliveries are claimed. From then on the lease carries the responsibility: when
 * the process ends, the lease runs out and the sweeper gives the deliveries back. When it ends before, the broker hands
 * the message to another worker. What could not be claimed for want of room, or because MongoDB was away, stays pending
 * and is found by the poll, so such a message is acknowledged too; only a process that ends counts against it.
 */
export function startConsumers(partners: Partners): { close(): Promise<void> } {
  const { connection, topology, take, bury, onError, onWorking, log } = partners;
  const { queues, exchanges, bindings } = topology;

  let foreign = false;
  function notOurs(): void {
    if (foreign) return;
    foreign = true;
    log.warn(
      { queue: queues.live.queue },
      "a message in the queue is not ours: such go to the dead-letter queue and are dropped there; this is said once",
    );
  }

  const unready = new Set<string>();
  const consume = (name: "live" | "dead", handle: (message: AsyncMessage) => Promise<ConsumerStatus>) => {
    const consumer = connection.createConsumer(
      {
        queue: queues[name].queue,
        queueOptions: queues[name],
        exchanges,
        queueBindings: [bindings[name]],
        qos: { prefetchCount: prefetch },
        concurrency: prefetch,
      },
      handle,
    );
    unready.add(name);
    consumer.on("error", (error) => {
      unready.add(name);
      onError(error);
    });
    consumer.on("ready", () => {
      unready.delete(name);
      // One that comes later must not hide what is wrong with the other: the library says it once.
      if (unready.size === 0) onWorking();
    });
    return consumer;
  };

  const dead = consume("dead", async ({ body, redelivered }) => {
    const ours = readAnnouncement(body);
    if (!ours) {
      notOurs();
      return ConsumerStatus.ACK;
    }
    try {
      await bury(ours.channel, ours.ids, redelivered);
      return ConsumerStatus.ACK;
    } catch {
      // MongoDB is away, which is said elsewhere.
      await sleep(buryAgainMs);
      return ConsumerStatus.REQUEUE;
    }
  });
  const live = consume("live", async ({ body }) => {
    const ours = readAnnouncement(body);
    if (!ours) {
      notOurs();
      return ConsumerStatus.DROP;
    }
    await take(ours.channel, ours.ids);
    return ConsumerStatus.ACK;
  });

  return {
    async close() {
      await Promise.all([live.close(), dead.close()]);
    },
  };
}
