import type { SyncMessage } from "rabbitmq-client";
import { describe, expect, test } from "vitest";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { rabbitmqMissing } from "../support/rabbitmq.ts";
import { eventually, startService, type Variables } from "../support/service.ts";
import { connected, freshBroker, loggedService, names, rawClient } from "./broker.ts";
import { createMails, mailServer, queueBehaviour } from "./shared.ts";

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

  test("a worker is told at once instead of looking once a second", async () => {
    const sink = await mailServer();
    const api = await startService({ ...variables(), ROLES: "api" });
    const worker = await loggedService({ ...variables(), ROLES: "worker", ...sink.variables });
    await eventually(
      () => worker.lines.some((line) => /RabbitMQ is connected/.test(line)),
      "the worker is there",
    );
    await connected(api.url);
    await createMails(api.url, 1);
    await eventually(() => sink.mails.length === 1, "the first is sent");
    const times: number[] = [];
    for (let sent = 2; sent <= 11; sent++) {
      const before = Date.now();
      await createMails(api.url, 1);
      await eventually(() => sink.mails.length === sent, "the next is sent");
      times.push(Date.now() - before);
    }
    // The poll comes a second after the last one. Two may be slow for reasons of the machine's.
    expect(times.filter((ms) => ms < 330).length, times.join()).toBeGreaterThanOrEqual(8);
  });

  test("what is in the broker is as documented, and what its receivers do not survive is dead-lettered", async () => {
    const api = await startService({ ...variables(), ...names("documented"), ROLES: "api" });
    await connected(api.url);
    const since = new Date();
    await createMails(api.url, 1);
    const raw = await rawClient(broker());
    const waiting = async (queue: string) =>
      (await raw.queueDeclare({ queue, passive: true }).catch(() => undefined))?.messageCount;
    // To ask for a message of a queue that is not there yet would close the channel.
    await eventually(async () => (await waiting("documented.queue")) === 1, "it is published");
    const channel = await raw.acquire();
    const messages: SyncMessage[] = [];
    await eventually(async () => {
      const message = await channel.basicGet("documented.queue");
      // It is moved a moment after the last return.
      if (!message) return (await waiting("documented.queue.dead")) === 1;
      messages.push(message);
      // As if the worker that has it ended, again and again.
      channel.basicNack({ deliveryTag: message.deliveryTag, requeue: true });
      return false;
    }, "it is dead-lettered");
    expect(messages).toHaveLength(6);
    expect(messages[0]).toMatchObject({
      exchange: "documented",
      routingKey: "documented.key",
      durable: true,
    });
    const stored = await deliveriesOf(db).findOne({ createdAt: { $gte: since } });
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
    await deliveriesOf(db).deleteMany({ createdAt: { $gte: since } });
  });
});
