import type { ConsumerProps, PublisherProps } from "rabbitmq-client";

/**
 * What stands in the broker. Both sides declare all of it, so that either may start first.
 *
 * A message that comes back more than five times, since its receivers end before they acknowledge it, is dead-lettered
 * by the queue itself.
 * The dead-letter queue's routing key is set, since a message may have come by another than ours.
 */
export function topologyOf(names: { exchange: string; queue: string; routingKey: string }) {
  const { exchange, queue, routingKey } = names;
  const dead = { exchange: `${exchange}.dead`, queue: `${queue}.dead` };
  const quorum = { "x-queue-type": "quorum" } as const;
  const queues = {
    live: {
      queue,
      durable: true,
      arguments: {
        ...quorum,
        "x-delivery-limit": 5,
        "x-dead-letter-exchange": dead.exchange,
        "x-dead-letter-routing-key": dead.queue,
      },
    },
    dead: { queue: dead.queue, durable: true, arguments: quorum },
  } satisfies Record<string, NonNullable<ConsumerProps["queueOptions"]>>;
  const exchanges: NonNullable<PublisherProps["exchanges"]> = [
    { exchange, type: "direct", durable: true },
    { exchange: dead.exchange, type: "direct", durable: true },
  ];
  const bindings = {
    live: { exchange, queue, routingKey },
    dead: { exchange: dead.exchange, queue: dead.queue, routingKey: dead.queue },
  };
  return { exchange, routingKey, queues, exchanges, bindings };
}

export type Topology = ReturnType<typeof topologyOf>;
