import { setTimeout as sleep } from "node:timers/promises";
import { simulatedUsers, startSimulator } from "../core/simulator.ts";
import { type Given, integer, UsageError } from "./arguments.ts";
import { CommandError, openCore, withSession } from "./session.ts";
import { terminal } from "./terminal.ts";

export const simulate = {
  usage: "simulate",
  description: `Keep notifying ${simulatedUsers.slice(0, -1).join(", ")} and ${simulatedUsers.at(-1)}, as a demonstration`,
  options: {
    interval: { value: "<seconds>", description: "time between two notifications; 3 by default" },
    count: { value: "<number>", description: "how many; by default it runs until Ctrl-C" },
    json: { description: "print JSON, one notification per line" },
  },
  examples: ["belfry simulate", "belfry simulate --interval 0.5 --count 100"],
  async run(given: Given): Promise<void> {
    const intervalMs = intervalOf(given.values.interval);
    const count = integer(given, "count", 1, 1_000_000, Number.POSITIVE_INFINITY);
    const json = given.flags.has("json");
    let sent = 0;
    let failed = 0;
    await withSession(async (session) => {
      const { notify } = await openCore(session);
      const simulator = startSimulator({
        notify,
        intervalMs,
        count,
        random: Math.random,
        now: session.store.now,
        sleep,
        onSent({ user, type, title, body }, id) {
          sent++;
          if (json) terminal.print(JSON.stringify({ id, user_id: user, type, title, body }));
          else terminal.print(`${id}  ${user.padEnd(5)}  ${title}: ${body}`);
        },
        onFailed(error) {
          failed++;
          terminal.note(`not stored: ${(error as Error).message}`);
        },
      });
      if (count === Number.POSITIVE_INFINITY) terminal.note("Press Ctrl-C to stop.");
      const stop = () => void simulator.stop();
      process.once("SIGINT", stop).once("SIGTERM", stop);
      await simulator.ended;
      process.off("SIGINT", stop).off("SIGTERM", stop);
    });
    terminal.note(`${sent} stored, ${failed} failed.`);
    if (failed > 0)
      throw new CommandError("Some notifications were not stored. `belfry doctor` may tell why.");
  },
};

function intervalOf(text: string | undefined): number {
  const seconds = text === undefined ? 3 : Number(text);
  if (!(seconds > 0 && seconds <= 3_600))
    throw new UsageError("--interval must be a number of seconds above 0, at most 3600");
  return seconds * 1_000;
}
