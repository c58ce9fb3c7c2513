import { setTimeout as sleep } from "node:timers/promises";
import { type Static, Type } from "typebox";
import type { Notifier } from "./notify.ts";
import { type Simulator, startSimulator } from "./simulator.ts";

const interval = { minimum: 0.01, maximum: 3_600, description: "Seconds between two notifications." };
export const SimulatorDto = Type.Object(
  { running: Type.Boolean(), interval_seconds: Type.Number(interval) },
  { title: "Simulator" },
);
type SimulatorState = Static<typeof SimulatorDto>;

/**
 * Starts and stops this process's simulator and sets its speed. With `intervalSeconds` 0 it does not start by itself.
 */
export function createSimulatorSwitch(
  notify: Notifier["notify"],
  now: () => number,
  log: Record<"debug" | "warn", (details: object, message: string) => void>,
  intervalSeconds: number,
) {
  let state: SimulatorState = { running: intervalSeconds > 0, interval_seconds: intervalSeconds || 5 };
  let simulator: Simulator | undefined;
  const follow = () => {
    void simulator?.stop();
    simulator = state.running
      ? startSimulator({
          notify,
          intervalMs: state.interval_seconds * 1_000,
          random: Math.random,
          now,
          sleep,
          onSent: ({ user, type }, id) => log.debug({ user, type, id }, "the simulator sent a notification"),
          onFailed: (err, { user, type }) =>
            log.warn({ err, user, type }, "the simulator could not send a notification"),
        })
      : undefined;
  };
  follow();
  return {
    state: (): SimulatorState => state,
    set(next: SimulatorState): SimulatorState {
      const isSame = next.running === state.running && next.interval_seconds === state.interval_seconds;
      state = next;
      if (!isSame) follow();
      return state;
    },
    /** Resolves once the notification under way, if any, is answered. */
    async stop(): Promise<void> {
      state = { ...state, running: false };
      await simulator?.stop();
    },
  };
}

export type SimulatorSwitch = ReturnType<typeof createSimulatorSwitch>;
