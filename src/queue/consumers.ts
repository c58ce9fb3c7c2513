import { type AsyncMessage, type Connection, ConsumerStatus } from "rabbitmq-client";
import type { Channel } from "../model/notification.ts";
import { readAnnouncement } from "./message.ts";
import type { Topology } from "./topology.ts";

export interface ConsumerOptions {
  connection: Connection;
  topology: Topology;
  /** The names of all channels. */
  channels: Channel[];
  /** Claims the due deliveries among these, as many as there is room for. Never rejects. */
  take: (channel: Channel, ids: string[]) => Promise<void>;
  onError: (error: Error) => void;
  /** All consumers are set up. */
  onWorking: () => void;
  log: { warn(details: object, message: string): void };
}

/** Few, so that several workers share the waiting messages. */
const prefetch = 8;

/**
 * Receives announcements, and empties the dead-letter queue: a message is only a hint, and the poll finds what is due.
 *
 * A message is acknowledged once its deliveries are claimed. If the process ends after that, the lease expires and the
 * sweeper makes the deliveries pending again. If it ends before, the broker gives the message to another worker.
 * Deliveries that could not be claimed, for lack of room or because MongoDB did not answer, stay pending and the poll
 * finds them, so their message is acknowledged too. Only a process that ends counts against a message. Against a delivery
 * the sweeper counts it.
 */
export function startConsumers(options: ConsumerOptions): { close(): Promise<void> } {
  const { connection, topology, channels, take, onError, onWorking, log } = options;
  const { queues, exchanges, bindings } = topology;

  let foreign = false;
  function notOurs(): void {
    if (foreign) return;
    foreign = true;
    log.warn(
      { queue: queues.live.queue },
      "the queue has a message that is not from Belfry. Such messages go to the dead-letter queue and are dropped there. This is logged once",
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
      // Only when all are ready: the library reports the other consumer's error only once.
      if (unready.size === 0) onWorking();
    });
    return consumer;
  };

  const dead = consume("dead", async () => ConsumerStatus.ACK);
  const live = consume("live", async ({ body }) => {
    const ours = readAnnouncement(body, channels);
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
