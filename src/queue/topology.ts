import type { ConsumerProps, PublisherProps } from "rabbitmq-client";

/**
 * Queues, exchanges and bindings. Both sides declare all of them, so either may start first.
 *
 * The queue dead-letters a message that was returned more than five times because its receivers ended.
 * The dead-letter routing key is set, because a message may have come with another key than ours.
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
