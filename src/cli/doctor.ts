import { CommandError } from "./session.ts";
import { columnsOf, type Style, safe, styled, terminal, wrapped } from "./terminal.ts";

const marks: Record<string, [text: string, style: Style]> = {
  ok: ["ok  ", "green"],
  note: ["note", "yellow"],
  bad: ["BAD ", "red"],
};
const indent = 25;

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
    for await (const { verdict, what, text, advice } of examine()) {
      const [mark, style] = marks[verdict] as [string, Style];
      const lines = [...paragraph(safe(text)), ...(advice ? paragraph(`→ ${safe(advice)}`) : [])];
      for (const [index, line] of lines.entries())
        terminal.print(
          index === 0
            ? `${styled(style, mark)}  ${what.padEnd(indent - 7)} ${line}`
            : " ".repeat(indent) + line,
        );
      if (verdict === "bad") bad++;
      if (verdict === "note") notes++;
      hasDatabase ||= what === "MongoDB" && verdict === "ok";
    }
    if (bad > 0) throw new CommandError(bad === 1 ? "1 thing is wrong." : `${bad} things are wrong.`);
    if (!hasDatabase) terminal.print("No database was checked. Nothing else is wrong.");
    else terminal.print(notes > 0 ? "Nothing is wrong. Please read the notes." : "Nothing is wrong.");
  },
};

const paragraph = (text: string): string[] => wrapped(text, Math.max(40, columnsOf() - indent));
