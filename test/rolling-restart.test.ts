import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { BelfryClient } from "../src/client/index.ts";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { freshDatabase } from "./support/database.ts";
import { sized } from "./support/form.ts";
import { call } from "./support/http.ts";
import { eventually, type ServiceProcess, spawnService } from "./support/service.ts";
import { startSmtp } from "./support/smtp.ts";

/** The built program of another version to start from and to go back to: `OLD_VERSION=<folder>/dist/main.js`. */
const oldVersion = process.env.OLD_VERSION;
const apiKey = "key-of-sixteen-characters";
const tokenSecret = "s".repeat(32);
const { uri, db } = freshDatabase();

/** A TCP balancer: each new connection goes to the next instance, and past those that take none. */
async function startBalancer() {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  let turn = 0;
  function forward(near: Socket, tries: number): void {
    const { hostname, port } = new URL(targets[turn++ % targets.length] as string);
    const far = connect(Number(port), hostname);
    far.once("error", () => (far.connecting || tries === 0 ? near.destroy() : forward(near, tries - 1)));
    far.once("connect", () => {
      far.removeAllListeners("error");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on("error", () => {}).on("close", () => other.destroy());
        one.pipe(other);
      }
    });
  }
  const server = createServer((near) =>
    forward(
      near.on("error", () => {}),
      targets.length - 1,
    ),
  );
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add: (url: string) => void targets.push(url),
    remove: (url: string) => void targets.splice(targets.indexOf(url), 1),
  };
}

test("a rolling restart of two instances, forward and back, answers no 5xx, loses and doubles nothing, and each live client reconnects", async () => {
  const wanted = sized(10_000, 800);
  const dir = mkdtempSync(join(tmpdir(), "belfry-rolling-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const typesFile = join(dir, "types.json");
  // The subject identifies the notification.
  const email = { subject: "n={{ data.n }}" };
  writeFileSync(typesFile, JSON.stringify({ new_login: { inbox: true, channels: { email } } }));
  const sink = await startSmtp();
  onTestFinished(() => sink.close());
  const balancer = await startBalancer();
  const start = async (main?: string) => {
    const variables = { DB_URI: uri, API_KEYS: apiKey, TOKEN_SECRET: tokenSecret, INBOX_LIMIT: "1000" };
    const settings = {
      ...variables,
      EMAIL: "user@receiver.example",
      NOTIFICATION_TYPES_FILE: typesFile,
      ...sink.variables,
    };
    const service = await spawnService(settings, { main });
    await eventually(async () => (await call(service.url, "GET", "/readyz")).status === 200, "it is ready");
    balancer.add(service.url);
    return service;
  };
  const instances = await Promise.all([start(oldVersion), start(oldVersion)]);

  const statuses: Record<string, number> = {};
  const client = new BelfryClient({
    server: balancer.url,
    apiKey,
    fetch: async (...request) => {
      const response = await fetch(...request).catch((error: Error) => error);
      const status = response instanceof Error ? "unanswered" : String(response.status);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (response instanceof Error) throw response;
      return response;
    },
  });
  const people = Array.from({ length: 10 }, (_, n) => `user-${n}`);
  const losses = people.map(() => 0);
  const devices = await Promise.all(
    people.map(async (user, n) => {
      const { body } = await call(balancer.url, "POST", `/v1/users/${user}/token`, undefined, {
        authorization: `Bearer ${apiKey}`,
      });
      let before = "connecting";
      const device = new BelfryClient({ server: balancer.url, token: body.token, user, WebSocket }).live({
        transport: "websocket",
        onChange({ connection }) {
          if (before === "live" && connection !== "live") losses[n] = (losses[n] as number) + 1;
          before = connection;
        },
      });
      onTestFinished(() => device.close());
      return device;
    }),
  );
  const allLive = () => devices.every(({ view }) => view.connection === "live");
  await eventually(allLive, "all devices are live");

  const acknowledged = new Map<number, string>();
  let next = 0;
  const caller = async () => {
    while (next < wanted) {
      const n = next++;
      const user = people[n % people.length] as string;
      const answer = await client.notify({ recipients: [user], type: "new_login", data: { n } });
      acknowledged.set(n, answer.notifications[0]?.id as string);
    }
  };
  const callers = Promise.all(Array.from({ length: 16 }, caller));
  callers.catch(() => {});

  /** The next version first; the former one leaves when the balancer has both. */
  async function replace(leaving: ServiceProcess, main?: string) {
    const before = acknowledged.size;
    const added = await start(main);
    await eventually(() => acknowledged.size > before + wanted / 20 || next >= wanted, "both serve");
    balancer.remove(leaving.url);
    leaving.kill("SIGTERM");
    expect(await leaving.ended).toBe(0);
    return added;
  }
  const [first, second] = instances as [ServiceProcess, ServiceProcess];
  const newer = await replace(first);
  await replace(second);
  await replace(newer, oldVersion);
  const sentMeanwhile = acknowledged.size;
  await callers;

  expect(Object.keys(statuses).filter((status) => status.startsWith("5"))).toEqual([]);
  expect(acknowledged.size).toBe(wanted);
  const unfinished = { state: { $in: ["pending", "sending"] } } as const;
  await eventually(async () => (await deliveriesOf(db).countDocuments(unfinished)) === 0, "all is sent");
  expect(sink.mails.map((mail) => Number(mail.subject.slice(2))).sort((a, b) => a - b)).toEqual(
    Array.from({ length: wanted }, (_, n) => n),
  );
  await eventually(
    () => allLive() && devices.every(({ view }) => view.total === wanted / people.length),
    "all is live",
  );
  const shown = devices.flatMap(({ view }) => view.items.map(({ id, data }) => [data?.n, id]));
  expect(new Map(shown as Array<[number, string]>)).toEqual(new Map(acknowledged));
  expect(shown).toHaveLength(wanted);
  // One for each instance that left, at most.
  expect(Math.max(...losses)).toBeLessThanOrEqual(3);
  process.stdout.write(
    `rolling restart: ${sentMeanwhile} of ${wanted} creates meanwhile, answers ${JSON.stringify(statuses)}, reconnects ${losses.join(" ")}\n`,
  );
}, 240_000);
