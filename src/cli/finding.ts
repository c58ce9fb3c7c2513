import { columnsOf, type Style, safe, styled, terminal, wrapped } from "./terminal.ts";

/** One result of a check. `bad`: the service does not work like this. `note`: it works, but perhaps not as intended. */
export interface Finding {
  verdict: "ok" | "note" | "bad";
  what: string;
  text: string;
  /** A sentence that says what to do. */
  advice?: string;
}

const marks: Record<Finding["verdict"], [text: string, style: Style]> = {
  ok: ["ok  ", "green"],
  note: ["note", "yellow"],
  bad: ["BAD ", "red"],
};
const indent = 25;

export function printFinding({ verdict, what, text, advice }: Finding): void {
  const [mark, style] = marks[verdict];
  const lines = [...paragraph(safe(text)), ...(advice ? paragraph(`→ ${safe(advice)}`) : [])];
  for (const [index, line] of lines.entries())
    terminal.print(
      index === 0 ? `${styled(style, mark)}  ${what.padEnd(indent - 7)} ${line}` : " ".repeat(indent) + line,
    );
}

const paragraph = (text: string): string[] => wrapped(text, Math.max(40, columnsOf() - indent));

/** Removes user and password from the URIs that drivers put into some messages. */
export const withoutSecrets = (text: string): string => text.replace(/\/\/[^@\s/]*@/g, "//");

/** A provider's code and words; the words alone where they begin with the code, as a mail server's do. */
export const providerWords = (code = "", text = ""): string =>
  text.startsWith(code) ? text : `${code} ${text}`.trim();
