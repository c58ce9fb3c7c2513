import { setTimeout as sleep } from "node:timers/promises";
import type { Channel } from "../model/notification.ts";
import { createAnnouncer } from "./announcer.ts";
import { BoundedConnection } from "./connection.ts";
import { type ConsumerOptions, startConsumers } from "./consumers.ts";
import { topologyOf } from "./topology.ts";

export interface RabbitmqOptions {
  /** `amqp://` or `amqps://`. */
  url: string;
  /** Names in the broker. */
  exchange: string;
  queue: string;
  routingKey: string;
  /** For a process that announces: pages of what is pending and due, published when the broker is back. */
  backlog?: () => AsyncIterable<Array<{ id: string; channel: Channel }>>;
  /** For a process that sends. */
  worker?: Pick<ConsumerOptions, "channels" | "take">;
  now: () => number;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

export interface BrokerState {
  state: "connected" | "away";
  /** Unix milliseconds. */
  since: number;
  /** The newest error's code, until something works again. */
  code?: string;
}

export interface Queue {
  /** Announces stored deliveries to the workers. Never waits, never throws. */
  announce(deliveries: Array<{ id: string; channel: Channel }>): void;
  state(): BrokerState;
  close(): Promise<void>;
}

/** At a stop, pending confirms get this long. The deliveries are in MongoDB anyway. */
const closeMs = 2_000;

/**
 * RabbitMQ between the processes that store deliveries and those that send them. It spreads deliveries over the
 * workers sooner; MongoDB is the source of truth. A lost, duplicate or late message costs only time, because a worker
 * must claim each delivery in MongoDB, and also polls for it. So the service starts, accepts and sends with or
 * without a broker.
 */
export function createRabbitmqQueue(options: RabbitmqOptions): Queue {
  const { now, log } = options;
  const topology = topologyOf(options);
  const connection = new BoundedConnection({
    url: options.url,
    connectionName: "belfry",
    heartbeat: 20,
    connectionTimeout: 5_000,
    acquireTimeout: 5_000,
    // Reconnects within seconds after the broker is back.
    retryLow: 250,
    retryHigh: 5_000,
  });

  let current: BrokerState = { state: "away", since: now() };
  /** The codes logged since the last connection, so that an outage logs a line or two. */
  const logged = new Set<string>();
  let closing = false;

  connection.on("connection", () => {
    logged.clear();
    current = { state: "connected", since: now() };
    log.info({}, "RabbitMQ is connected");
  });
  connection.on("error", (error) => {
    if (!connection.ready && current.state === "connected") current = { state: "away", since: now() };
    onError(error);
  });

  function onError(error: { code?: string; message?: string }): void {
    const code = error.code ?? "ERROR";
    current = { ...current, code };
    if (closing || logged.has(code)) return;
    logged.add(code);
    const advice =
      code === "PRECONDITION_FAILED"
        ? "the broker has a queue or exchange of this name with other properties. Delete it, or set RABBITMQ_QUEUE and RABBITMQ_EXCHANGE to other names"
        : "it cannot be used now. Until it works again, workers find deliveries in MongoDB";
    log.warn({ code, reason: error.message }, `RabbitMQ: ${advice}`);
  }

  function onWorking(): void {
    current = { state: "connected", since: current.state === "connected" ? current.since : now() };
  }

  const announcer = createAnnouncer({ connection, topology, backlog: options.backlog, onError, onWorking });
  const consumers = options.worker
    ? startConsumers({ connection, topology, ...options.worker, onError, onWorking, log })
    : undefined;

  return {
    announce: announcer.announce,
    state: () => current,
    async close() {
      closing = true;
      const clean = async () => {
        await Promise.all([consumers?.close(), announcer.close()]);
        await connection.close();
      };
      // Without a connection there is nothing to end cleanly, and the library would wait for one.
      const ended = clean().catch(() => {});
      if (connection.ready) await Promise.race([ended, sleep(closeMs)]);
      connection.unsafeDestroy();
    },
  };
}
