import { printFinding } from "./finding.ts";
import { CommandError } from "./session.ts";
import { terminal } from "./terminal.ts";

export const doctor = {
  usage: "doctor",
  description: "Check configuration, MongoDB, providers, broker and service, and say what to do",
  options: {},
  examples: ["belfry doctor"],
  async run(): Promise<void> {
    const { examine } = await import("./examine.ts");
    let bad = 0;
    let notes = 0;
    let hasDatabase = false;
    for await (const finding of examine()) {
      const { verdict, what } = finding;
      printFinding(finding);
      if (verdict === "bad") bad++;
      if (verdict === "note") notes++;
      hasDatabase ||= what === "MongoDB" && verdict === "ok";
    }
    if (bad > 0) throw new CommandError(bad === 1 ? "1 thing is wrong." : `${bad} things are wrong.`);
    if (!hasDatabase) terminal.print("No database was checked. Nothing else is wrong.");
    else terminal.print(notes > 0 ? "Nothing is wrong. Please read the notes." : "Nothing is wrong.");
  },
};
