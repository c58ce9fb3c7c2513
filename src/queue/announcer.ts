import type { Connection } from "rabbitmq-client";
import type { Channel } from "../model/notification.ts";
import { type Announcement, announcementsOf } from "./message.ts";
import type { Topology } from "./topology.ts";

export interface AnnouncerOptions {
  connection: Connection;
  topology: Topology;
  backlog: (() => AsyncIterable<Array<{ id: string; channel: Channel }>>) | undefined;
  onError: (error: Error) => void;
  /** A message was confirmed. */
  onWorking: () => void;
}

/** The most messages that the broker has not confirmed. Further ones are not sent; the backlog catches up. */
const maxUnconfirmed = 1_000;
const catchUpMs = 10_000;

/**
 * Publishes with confirms. Announcements that cannot be published are not kept in memory: their deliveries are
 * pending in MongoDB and are read from there when the broker is back. Every API process does this. A delivery that is
 * announced twice is claimed once.
 */
export function createAnnouncer(options: AnnouncerOptions) {
  const { connection, topology, backlog, onError } = options;
  const { exchange, routingKey, queues, exchanges, bindings } = topology;
  const publisher = connection.createPublisher({
    confirm: true,
    queues: Object.values(queues),
    exchanges,
    queueBindings: Object.values(bindings),
  });
  let unconfirmed = 0;
  let missed = false;
  let catchingUp = false;
  let closed = false;

  async function publish(announcement: Announcement): Promise<void> {
    unconfirmed++;
    try {
      await publisher.send({ exchange, routingKey, durable: true }, announcement);
      options.onWorking();
    } catch (error) {
      missed = true;
      onError(error as Error);
    } finally {
      unconfirmed--;
    }
  }

  /** Publishes the backlog page by page. Each page is confirmed before the next is read. */
  async function catchUp(): Promise<void> {
    if (!backlog || catchingUp || closed || !connection.ready) return;
    catchingUp = true;
    missed = false;
    try {
      for await (const page of backlog()) {
        await Promise.all(announcementsOf(page).map(publish));
        if (missed || closed) break;
      }
    } catch {
      // MongoDB does not answer, which is logged elsewhere.
      missed = true;
    } finally {
      catchingUp = false;
    }
  }

  const onConnection = () => void catchUp();
  connection.on("connection", onConnection);
  // Even on an open connection the broker can refuse a message, or block us when it lacks memory.
  const timer = setInterval(() => missed && void catchUp(), catchUpMs);

  return {
    announce(deliveries: Array<{ id: string; channel: Channel }>): void {
      if (closed) return;
      for (const announcement of announcementsOf(deliveries)) {
        if (connection.ready && unconfirmed < maxUnconfirmed) void publish(announcement);
        else missed = true;
      }
    },
    async close(): Promise<void> {
      closed = true;
      clearInterval(timer);
      connection.off("connection", onConnection);
      // Close the publisher before the connection, so that the broker gets what has been written.
      await publisher.close();
    },
  };
}
