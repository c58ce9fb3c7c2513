import { CommandError } from "./open.ts";
import { safe, terminal } from "./terminal.ts";

export const doctor = {
  usage: "doctor",
  says: "Checks configuration, MongoDB, providers and broker, and says what to do",
  options: {},
  async run(): Promise<void> {
    const { examine } = await import("./examine.ts");
    let bad = 0;
    for await (const { verdict, what, says, advice } of examine()) {
      const mark = { ok: "ok  ", note: "note", bad: "BAD " }[verdict];
      terminal.print(`${mark}  ${what.padEnd(18)} ${safe(says)}`);
      if (advice) terminal.print(`${" ".repeat(25)}→ ${advice}`);
      if (verdict === "bad") bad++;
    }
    if (bad > 0) throw new CommandError(bad === 1 ? "1 thing is wrong." : `${bad} things are wrong.`);
    terminal.print("Nothing is wrong.");
  },
};
