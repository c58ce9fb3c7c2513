import type { NotifyCommand } from "../model/notification.ts";

export interface SimulatorOptions {
  notify: (command: NotifyCommand) => Promise<{ id: string }>;
  /** Milliseconds between two notifications. */
  intervalMs: number;
  /** Stops after this many; by default only at `stop`. */
  count?: number;
  /** From 0 up to 1. */
  random: () => number;
  /** Unix milliseconds. */
  now: () => number;
  /** Resolves after so many milliseconds; rejects when `signal` is aborted. */
  sleep: (ms: number, value: undefined, options: { signal: AbortSignal }) => Promise<unknown>;
  onSent: (command: NotifyCommand, id: string) => void;
  /** The simulator continues after a failure. */
  onFailed: (error: unknown, command: NotifyCommand) => void;
}

export interface Simulator {
  /** Resolves once all are sent or it was stopped. */
  ended: Promise<void>;
  /** Resolves once the notification under way, if any, is answered. May be called again. */
  stop(): Promise<void>;
}

export const simulatedUsers = ["alex", "bob", "carol", "dan"];

const messages = [
  "Are we still on for lunch?",
  "The train is late.",
  "Look at this!",
  "Call me when you can.",
];
const dayMs = 86_400_000;

type UseCase = (user: string, pick: (below: number) => number, now: number) => Omit<NotifyCommand, "user">;

const useCases: UseCase[] = [
  (_user, pick) => ({
    type: "MESSAGE",
    title: "New Message Received",
    body: messages[pick(messages.length)] as string,
  }),
  (_user, pick, now) => ({
    type: "SUBSCRIPTION_EXPIRY",
    title: "Subscription Expiring Soon",
    body: `Your subscription expires on ${new Date(now + (1 + pick(14)) * dayMs).toISOString().slice(0, 10)}.`,
  }),
  (user) => ({
    type: "PROFILE_SETUP",
    title: "Profile Setup Complete",
    body: `Congratulations, ${user}! Your profile is complete.`,
  }),
];

/** Sends one of three example notifications to one of four users, now and after each interval. */
export function startSimulator(options: SimulatorOptions): Simulator {
  const { notify, intervalMs, count = Number.POSITIVE_INFINITY, random, now, sleep } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const pick = (below: number) => Math.floor(random() * below);

  async function run(): Promise<void> {
    for (let done = 0; done < count && !signal.aborted; done++) {
      if (done > 0) await sleep(intervalMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const user = simulatedUsers[pick(simulatedUsers.length)] as string;
      const useCase = useCases[pick(useCases.length)] as UseCase;
      const command = { user, ...useCase(user, pick, now()) };
      await notify(command).then(
        ({ id }) => options.onSent(command, id),
        (error) => options.onFailed(error, command),
      );
    }
  }

  const ended = run();
  return {
    ended,
    stop() {
      stopping.abort();
      return ended;
    },
  };
}
