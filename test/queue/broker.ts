import { Writable } from "node:stream";
import { pino } from "pino";
import { Connection } from "rabbitmq-client";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { call } from "../support/http.ts";
import { type Broker, startRabbitmq } from "../support/rabbitmq.ts";
import { eventually, type Variables } from "../support/service.ts";

/** A broker for the tests of one `describe`, started before them. Call at its top. */
export function freshBroker(): () => Broker {
  let broker: Broker | undefined;
  beforeAll(async () => {
    broker = await startRabbitmq();
  });
  afterAll(() => broker?.close());
  return () => broker as Broker;
}

/** Names in the broker for one test. */
export const names = (test: string): Variables => ({
  RABBITMQ_EXCHANGE: test,
  RABBITMQ_QUEUE: `${test}.queue`,
  RABBITMQ_ROUTING_KEY: `${test}.key`,
});

/** A client for one test. */
export async function rawClient(broker: Broker): Promise<Connection> {
  const connection = new Connection({ url: broker.url, retryLow: 100, retryHigh: 500 });
  connection.on("error", () => {});
  onTestFinished(() => connection.unsafeDestroy());
  await connection.onConnect(10_000);
  return connection;
}

/**
 * Resolves when both queues of a service with these names accept messages. The service declares objects one by one,
 * so a queue may exist before its exchange. Binding them again changes nothing.
 */
export async function queuesBound(raw: Connection, test: string): Promise<void> {
  for (const binding of [
    { exchange: test, queue: `${test}.queue`, routingKey: `${test}.key` },
    { exchange: `${test}.dead`, queue: `${test}.queue.dead`, routingKey: `${test}.queue.dead` },
  ])
    await eventually(
      () =>
        raw.queueBind(binding).then(
          () => true,
          () => false,
        ),
      `${binding.queue} is bound`,
    );
}

/** Like `startService`, with the lines that it logs. */
export async function loggedService(given: Variables) {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const app = await startApp(loadConfig({ PORT: "0", ...given }).config, pino({ level: "info" }, sink));
  onTestFinished(() => app.close());
  return { app, lines, url: app.url as string };
}

export const brokerState = async (url: string) => (await call(url, "GET", "/readyz?verbose")).body.broker;

export const connected = (url: string) =>
  eventually(async () => (await brokerState(url)).state === "connected", "the broker is connected");
