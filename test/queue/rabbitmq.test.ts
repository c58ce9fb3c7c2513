import type { SyncMessage } from "rabbitmq-client";
import { describe, expect, test } from "vitest";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { rabbitmqMissing } from "../support/rabbitmq.ts";
import { eventually, startService, type Variables } from "../support/service.ts";
import { connected, freshBroker, loggedService, names, rawClient } from "./broker.ts";
import { createMails, fromNowOn, mailServer, queueBehaviour } from "./shared.ts";

const database = freshDatabase();
const { uri, db } = database;

describe.skipIf(await rabbitmqMissing())("RabbitMQ as the queue", () => {
  const broker = freshBroker();
  const variables = (): Variables => ({
    DB_URI: uri,
    EMAIL: "someone@receiver.example",
    AMQP_URL: broker().url,
  });

  queueBehaviour(database, () => ({ AMQP_URL: broker().url }));

  test("announces deliveries to a worker at once", async () => {
    const sink = await mailServer();
    const api = await startService({ ...variables(), ROLES: "api" });
    const worker = await loggedService({ ...variables(), ROLES: "worker", ...sink.variables });
    await eventually(
      () => worker.lines.some((line) => /RabbitMQ is connected/.test(line)),
      "the worker is there",
    );
    await connected(api.url);
    const silent = await startService({ ...variables(), AMQP_URL: "", ROLES: "api" });
    /** The median of several runs, one after the other. */
    const usual = async (url: string, count: number): Promise<number> => {
      const times: number[] = [];
      while (times.length < count) {
        const before = performance.now();
        const wanted = sink.mails.length + 1;
        await createMails(url, 1);
        await eventually(() => sink.mails.length === wanted, "it is sent");
        times.push(performance.now() - before);
      }
      return times.toSorted((a, b) => a - b)[Math.floor(count / 2)] as number;
    };
    await usual(api.url, 1);
    // Compared and not timed: a busy machine is slow in both, but a poll comes a second after the last one on any
    // machine.
    const untold = await usual(silent.url, 3);
    expect(await usual(api.url, 7)).toBeLessThan(untold / 2);
  });

  test("the broker's objects are as documented, and messages that kill their receivers are dead-lettered", async () => {
    const api = await startService({ ...variables(), ...names("documented"), ROLES: "api" });
    await connected(api.url);
    const mine = await fromNowOn(db);
    await createMails(api.url, 1);
    const raw = await rawClient(broker());
    const waiting = async (queue: string) =>
      (await raw.queueDeclare({ queue, passive: true }).catch(() => undefined))?.messageCount;
    // Getting a message from a queue that does not exist yet would close the channel.
    await eventually(async () => (await waiting("documented.queue")) === 1, "it is published");
    const channel = await raw.acquire();
    const messages: SyncMessage[] = [];
    await eventually(async () => {
      const message = await channel.basicGet("documented.queue");
      // The broker moves it shortly after the last return.
      if (!message) return (await waiting("documented.queue.dead")) === 1;
      messages.push(message);
      // Simulates workers that end while they process it.
      channel.basicNack({ deliveryTag: message.deliveryTag, requeue: true });
      return false;
    }, "it is dead-lettered");
    expect(messages).toHaveLength(6);
    expect(messages[0]).toMatchObject({
      exchange: "documented",
      routingKey: "documented.key",
      durable: true,
    });
    const stored = await deliveriesOf(db).findOne(mine);
    expect(stored?.state).toBe("pending");
    expect(messages[0]?.body).toEqual({ channel: "email", ids: [stored?._id.toHexString()] });
    // The broker refuses a declaration whose properties differ from those it has.
    for (const exchange of ["documented", "documented.dead"])
      await raw.exchangeDeclare({ exchange, type: "direct", durable: true });
    const dead = {
      "x-dead-letter-exchange": "documented.dead",
      "x-dead-letter-routing-key": "documented.queue.dead",
    };
    const quorum = { "x-queue-type": "quorum" } as const;
    await raw.queueDeclare({
      queue: "documented.queue",
      durable: true,
      arguments: { ...quorum, ...dead, "x-delivery-limit": 5 },
    });
    await raw.queueDeclare({ queue: "documented.queue.dead", durable: true, arguments: quorum });
    await deliveriesOf(db).deleteMany(mine);
  });
});
