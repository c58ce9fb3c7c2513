import { setTimeout as sleep } from "node:timers/promises";
import { simulatedUsers, startSimulator } from "../core/simulator.ts";
import { type Given, integer, UsageError } from "./arguments.ts";
import { CommandError, openNotifier, withBooks } from "./open.ts";
import { terminal } from "./terminal.ts";

export const simulate = {
  usage: "simulate",
  says: `Notify ${simulatedUsers.slice(0, -1).join(", ")} or ${simulatedUsers.at(-1)}, again and again`,
  options: {
    interval: { value: "<seconds>", says: "between two, by default 3" },
    count: { value: "<number>", says: "how many; by default until Ctrl-C" },
    json: { says: "as JSON lines" },
  },
  async run(given: Given): Promise<void> {
    const intervalMs = intervalOf(given.values.interval);
    const count = integer(given, "count", 1, 1_000_000, Number.POSITIVE_INFINITY);
    const json = given.flags.has("json");
    let sent = 0;
    let failed = 0;
    await withBooks(async (books) => {
      const { notify } = await openNotifier(books);
      const simulator = startSimulator({
        notify,
        intervalMs,
        count,
        random: Math.random,
        now: books.now,
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
      if (count === Number.POSITIVE_INFINITY) terminal.note("Ctrl-C ends it.");
      const stop = () => void simulator.stop();
      process.once("SIGINT", stop).once("SIGTERM", stop);
      await simulator.ended;
      process.off("SIGINT", stop).off("SIGTERM", stop);
    });
    terminal.note(`${sent} stored, ${failed} not.`);
    if (failed > 0) throw new CommandError("Not everything was stored; `belfry doctor` may say why.");
  },
};

function intervalOf(text: string | undefined): number {
  const seconds = text === undefined ? 3 : Number(text);
  if (!(seconds > 0 && seconds <= 3_600))
    throw new UsageError("--interval must be seconds, more than 0 and at most 3600");
  return seconds * 1_000;
}
