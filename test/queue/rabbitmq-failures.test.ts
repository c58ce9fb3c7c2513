import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { freePort } from "../support/free-port.ts";
import { call } from "../support/http.ts";
import { rabbitmqMissing } from "../support/rabbitmq.ts";
import { eventually, startService, type Variables } from "../support/service.ts";
import {
  brokerState,
  connected,
  freshBroker,
  loggedService,
  names,
  queuesBound,
  rawClient,
} from "./broker.ts";
import { createMails, eachSentOnce, fromNowOn, mailServer } from "./shared.ts";

const { uri, db } = freshDatabase();

describe.skipIf(await rabbitmqMissing())("RabbitMQ that fails", () => {
  const broker = freshBroker();
  const variables = (): Variables => ({
    DB_URI: uri,
    EMAIL: "someone@receiver.example",
    AMQP_URL: broker().url,
  });

  test("the API keeps accepting while the broker is killed and restarted under load, and nothing is lost or sent twice", async () => {
    const sink = await mailServer();
    const mine = await fromNowOn(db);
    const given = { ...variables(), ...names("killed") };
    const api = await startService({ ...given, ROLES: "api" });
    const workers = [];
    for (let n = 0; n < 2; n++)
      workers.push(await startService({ ...given, ROLES: "worker", ...sink.variables }));
    await connected(api.url);
    let running = true;
    onTestFinished(() => {
      running = false;
    });
    let created = 0;
    let slowest = 0;
    const load = async () => {
      while (running) {
        const before = Date.now();
        await createMails(api.url, 10);
        slowest = Math.max(slowest, Date.now() - before);
        created += 10;
        await sleep(20);
      }
    };
    const loading = load();
    await eventually(() => created >= 100, "some are created with the broker");
    await broker().kill();
    const without = created;
    await eventually(async () => (await brokerState(api.url)).state === "away", "the loss is seen");
    await eventually(() => created >= without + 100, "some are created without it");
    await broker().start();
    await connected(api.url);
    const back = created;
    await eventually(() => created >= back + 50, "some more are created with it");
    running = false;
    await loading;
    expect(slowest).toBeLessThan(5_000);
    await eachSentOnce(db, mine, created, sink.mails);
    // The broker's start alone may take a minute.
  }, 240_000);

  test("publishes deliveries accepted without the broker within 30 s of its return", async () => {
    const given = { ...variables(), ...names("returned") };
    const api = await startService({ ...given, ROLES: "api" });
    await connected(api.url);
    await broker().kill();
    await eventually(async () => (await brokerState(api.url)).state === "away", "the loss is seen");
    const mine = await fromNowOn(db);
    await createMails(api.url, 120);
    const ids = (await deliveriesOf(db).find(mine).toArray()).map((one) => one._id.toHexString());
    expect(ids).toHaveLength(120);
    await broker().start();
    const raw = await rawClient(broker());
    const published = new Set<string>();
    await eventually(
      async () => {
        // The queue exists once something has been published.
        const message = await raw.basicGet("returned.queue").catch(() => undefined);
        for (const id of message?.body.ids ?? []) published.add(id);
        return ids.every((id) => published.has(id));
      },
      "all ids are in the queue",
      30,
    );
    await deliveriesOf(db).deleteMany(mine);
    // The broker's start alone may take a minute.
  }, 240_000);

  test("works without a broker at the start, and a stop does not wait for it", async () => {
    const sink = await mailServer();
    const { app, lines, url } = await loggedService({
      ...variables(),
      AMQP_URL: `amqp://someone:hush-hush@127.0.0.1:${await freePort()}`,
      ...sink.variables,
    });
    await createMails(url, 20);
    await eventually(() => sink.mails.length === 20, "all are sent");
    const state = await eventually(async () => {
      const found = await brokerState(url);
      return found.code && found;
    }, "the outage is shown");
    expect(state).toMatchObject({ state: "away", code: "ECONNREFUSED" });
    expect((await call(url, "GET", "/readyz")).status).toBe(200);
    const before = Date.now();
    await app.close();
    expect(Date.now() - before).toBeLessThan(4_000);
    const said = lines.filter((line) => /RabbitMQ/.test(line));
    expect(said).toHaveLength(1);
    expect(lines.join()).not.toContain("hush-hush");
  });

  test("leaves a queue with other properties alone, logs it once, and workers poll MongoDB", async () => {
    const raw = await rawClient(broker());
    await raw.queueDeclare({ queue: "older.queue", durable: true });
    const sink = await mailServer();
    const { lines, url } = await loggedService({ ...variables(), ...names("older"), ...sink.variables });
    const state = await eventually(async () => {
      const found = await brokerState(url);
      return found.code === "PRECONDITION_FAILED" && found;
    }, "it is shown");
    expect(state.state).toBe("connected");
    await createMails(url, 20);
    await eventually(() => sink.mails.length === 20, "all are sent");
    expect(lines.filter((line) => /RABBITMQ_QUEUE/.test(line))).toHaveLength(1);
  });

  test("foreign messages go to the dead-letter queue, are logged once and stop nothing", async () => {
    const sink = await mailServer();
    const given = names("foreign");
    const { lines, url } = await loggedService({ ...variables(), ...given, ...sink.variables });
    await connected(url);
    const raw = await rawClient(broker());
    const live = { exchange: "foreign", routingKey: "foreign.key" };
    await queuesBound(raw, "foreign");
    const { queue: copies } = await raw.queueDeclare({ exclusive: true });
    await raw.queueBind({ exchange: "foreign.dead", routingKey: "foreign.queue.dead", queue: copies });

    const publisher = raw.createPublisher({ confirm: true });
    onTestFinished(() => publisher.close().catch(() => {}));
    const json = { ...live, contentType: "application/json" };
    const id = "0123456789abcdef01234567";
    const foreign: Array<[object, unknown]> = [
      [json, Buffer.from("{not JSON")],
      [json, Buffer.alloc(0)],
      [live, "plain text"],
      [live, Buffer.from([0, 255, 1])],
      [live, { user_id: 4, notification_type: "email", content: "hello" }],
      [live, { channel: "email", ids: ["1"] }],
      [live, { channel: "pigeon", ids: [id] }],
      [live, { channel: "email", ids: { $gt: "" } }],
      [live, [1, 2, 3]],
      [live, null],
      [{ routingKey: "foreign.queue" }, "by another way"],
    ];
    for (const [envelope, body] of foreign) await publisher.send(envelope, body);
    await eventually(async () => {
      const { messageCount } = await raw.queueDeclare({ queue: copies, passive: true });
      return messageCount === foreign.length;
    }, "all are dead-lettered");
    // Valid ids of deliveries that do not exist are ignored.
    await publisher.send(live, { channel: "email", ids: [id] });
    await createMails(url, 10);
    await eventually(() => sink.mails.length === 10, "ours are sent");
    for (const queue of ["foreign.queue", "foreign.queue.dead"])
      await eventually(
        async () => (await raw.queueDeclare({ queue, passive: true })).messageCount === 0,
        `${queue} is empty`,
      );
    expect(lines.filter((line) => /not from Belfry/.test(line))).toHaveLength(1);
  });

  test("sends a delivery whose announcement is dead-lettered, however often that happens", async () => {
    // A send that is never answered occupies the worker, so that the others wait.
    let open = false;
    const waiting: Array<() => void> = [];
    const sink = await mailServer({
      options: {
        onMailFrom: (_address, _session, callback) =>
          void (open ? callback() : waiting.push(() => callback())),
      },
    });
    const mine = await fromNowOn(db);
    const { url } = await loggedService({
      ...variables(),
      ...names("dead-lettered"),
      ...sink.variables,
      DELIVERY_CONCURRENCY: "1",
    });
    await connected(url);
    await createMails(url, 12);
    const deliveries = deliveriesOf(db);
    const ids = (await deliveries.find({ ...mine, state: "pending" }).toArray()).map((one) =>
      one._id.toHexString(),
    );
    expect(ids.length).toBeGreaterThan(0);
    const raw = await rawClient(broker());
    await queuesBound(raw, "dead-lettered");
    const publisher = raw.createPublisher({ confirm: true });
    onTestFinished(() => publisher.close().catch(() => {}));
    const dead = { exchange: "dead-lettered.dead", routingKey: "dead-lettered.queue.dead" };
    for (let time = 0; time < 4; time++) await publisher.send(dead, { channel: "email", ids });
    const queue = { queue: dead.routingKey, passive: true };
    await eventually(async () => (await raw.queueDeclare(queue)).messageCount === 0, "they are dropped");
    open = true;
    for (const go of waiting) go();
    await eachSentOnce(db, mine, 12, sink.mails);
    expect(await deliveries.countDocuments({ ...mine, interruptions: { $exists: true } })).toBe(0);
  });
});

describe("an AMQP_URL that is not a broker", () => {
  const words: Array<[string, string]> = [
    ["an HTTP server", "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"],
    ["a mail server", "220 mail.example ESMTP ready\r\n"],
    ["noise", "\u00ff".repeat(64)],
  ];
  test.each(words)("%s: logged once, and workers find deliveries in MongoDB", async (_what, greeting) => {
    let greeted = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(greeting, "latin1", () => greeted++);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const sink = await mailServer();
    const { app, lines, url } = await loggedService({
      DB_URI: uri,
      EMAIL: "someone@receiver.example",
      AMQP_URL: `amqp://someone:hush-hush@127.0.0.1:${(server.address() as AddressInfo).port}`,
      ...sink.variables,
    });
    await eventually(() => greeted >= 3, "it was tried some times");
    await createMails(url, 20);
    await eventually(() => sink.mails.length === 20, "all are sent");
    expect(await brokerState(url)).toMatchObject({ state: "away", code: "NOT_AMQP" });
    await app.close();
    const said = lines.filter((line) => /RabbitMQ/.test(line));
    expect(said.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: 40,
        code: "NOT_AMQP",
        reason: "the server at AMQP_URL does not speak AMQP 0-9-1: check host and port",
      },
    ]);
    expect(lines.join()).not.toContain("hush-hush");
  });
});
