import { type Simulator, type SimulatorPartners, startSimulator } from "./simulator.ts";

export interface SimulatorState {
  running: boolean;
  interval_seconds: number;
}

/** Starts and stops this process's simulator and sets its speed. `intervalSeconds` 0: it does not start by itself. */
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
    /** Resolves once the notification under way, if any, is answered. */
    async stop(): Promise<void> {
      state = { ...state, running: false };
      await simulator?.stop();
    },
  };
}

export type SimulatorSwitch = ReturnType<typeof createSimulatorSwitch>;
