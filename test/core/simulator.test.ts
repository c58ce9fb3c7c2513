import { expect, onTestFinished, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { type SimulatorOptions, simulatedUsers, startSimulator } from "../../src/core/simulator.ts";
import type { NotifyCommand } from "../../src/model/notification.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";

/** A simulator with a manual clock; `dice` repeat in a cycle. */
function simulator(dice: number[], more: Partial<SimulatorOptions> = {}) {
  const sent: NotifyCommand[] = [];
  const failures: unknown[] = [];
  const waits: number[] = [];
  let thrown = 0;
  const started = startSimulator({
    notify: async () => ({ id: "0".repeat(24) }),
    intervalMs: 3_000,
    random: () => dice[thrown++ % dice.length] as number,
    now: () => Date.parse("2026-02-27T23:00:00Z"),
    sleep: async (ms, _value, { signal }) => {
      signal.throwIfAborted();
      waits.push(ms);
    },
    onSent: (command) => void sent.push(command),
    onFailed: (error) => void failures.push(error),
    ...more,
  });
  onTestFinished(() => started.stop());
  return { ...started, sent, failures, waits };
}

test("the three example notifications have a title and a text that tells what happened", async () => {
  const first = simulator([0], { count: 1 });
  const second = simulator([0.3, 0.4, 0.99], { count: 1 });
  const third = simulator([0.99], { count: 1 });
  await Promise.all([first.ended, second.ended, third.ended]);
  expect([...first.sent, ...second.sent, ...third.sent]).toEqual([
    { user: "alex", type: "MESSAGE", title: "New Message Received", body: "Are we still on for lunch?" },
    {
      user: "bob",
      type: "SUBSCRIPTION_EXPIRY",
      title: "Subscription Expiring Soon",
      body: "Your subscription expires on 2026-03-13.",
    },
    {
      user: "dan",
      type: "PROFILE_SETUP",
      title: "Profile Setup Complete",
      body: "Congratulations, dan! Your profile is complete.",
    },
  ]);
  const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 });
  for (const { type } of [...first.sent, ...second.sent, ...third.sent])
    expect(registry.get(type)).toMatchObject({ inbox: true });
});

test("sends the first notification at once, one more per interval, and reaches every user with every type", async () => {
  const { ended, sent, waits } = simulator([], { count: 500, random: Math.random });
  await ended;
  const kinds = new Set(sent.map(({ user, type }) => `${user} ${type}`));
  expect(kinds.size).toBe(simulatedUsers.length * 3);
  expect(waits).toEqual(Array(499).fill(3_000));
});

test("reports a notification that cannot be stored, and sends the next one", async () => {
  let asked = 0;
  const away = new Error("the database is away");
  const notify = async () => {
    if (++asked === 2) throw away;
    return { id: "0".repeat(24) };
  };
  const { ended, sent, failures } = simulator([0.5], { count: 4, notify });
  await ended;
  expect([sent.length, failures]).toEqual([3, [away]]);
});

test("stop waits for the notification in progress and sends no more", async () => {
  let answer = (_: { id: string }) => {};
  const notify = () =>
    new Promise<{ id: string }>((resolve) => {
      answer = resolve;
    });
  const running = simulator([0], { notify });
  let stopped = false;
  const stopping = running.stop().then(() => {
    stopped = true;
  });
  await Promise.resolve();
  expect(stopped).toBe(false);
  answer({ id: "1".repeat(24) });
  await stopping;
  expect(running.sent).toHaveLength(1);
});

const { uri } = freshDatabase();

test("a service with SIMULATOR_INTERVAL_SECONDS notifies all four users by itself", async () => {
  const app = await startService({ DB_URI: uri, SIMULATOR_INTERVAL_SECONDS: "0.01" });
  await eventually(async () => {
    const lists = await Promise.all(
      simulatedUsers.map((user) => call(app.url, "GET", `/notification/${user}`)),
    );
    return lists.every(({ status, body }) => status === 200 && body.data.length > 0);
  }, "everybody to have something");
});
