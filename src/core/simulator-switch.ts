import { type Simulator, type SimulatorPartners, startSimulator } from "./simulator.ts";

export interface SimulatorState {
  running: boolean;
  interval_seconds: number;
}

/** Starts, stops and paces this process's simulator. `intervalSeconds`: 0 leaves it at rest. */
export function createSimulatorSwitch(
  partners: Omit<SimulatorPartners, "intervalMs" | "count">,
  intervalSeconds: number,
) {
  let state: SimulatorState = { running: intervalSeconds > 0, interval_seconds: intervalSeconds || 5 };
  let simulator: Simulator | undefined;
  const follow = () => {
    void simulator?.stop();
    simulator = state.running
      ? startSimulator({ ...partners, intervalMs: state.interval_seconds * 1_000 })
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
    /** Resolves when the notification under way, if any, has its answer. */
    async stop(): Promise<void> {
      state = { ...state, running: false };
      await simulator?.stop();
    },
  };
}

export type SimulatorSwitch = ReturnType<typeof createSimulatorSwitch>;
