/** One assignment in a `.env` file. */
export interface EnvEntry {
  name: string;
  value: string;
  /** Counted from 1. */
  line: number;
  /** Whether an unquoted ` #` ended the value: in free text nobody can tell a comment from a part of the value. */
  cut: boolean;
}

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=(.*)$/s;

/**
 * Reads the text of a `.env` file. A value is taken whole or there is a problem that names its line:
 * - unquoted: to the end of the line without the blanks at its ends; a `#` after a blank begins a comment, any other
 *   `#` is part of the value;
 * - in '…', "…" or `…`: everything between the quotes, over several lines too. In "…" `\n` is a line break.
 * `isOurs` tells Belfry's own names: a value that runs over a line which sets one of them has lost its closing quote.
 */
export function parseEnvFile(
  text: string,
  isOurs: (name: string) => boolean,
): { entries: EnvEntry[]; problems: string[] } {
  const entries: EnvEntry[] = [];
  const problems: string[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    const content = lines[index] as string;
    if (/^\s*(#|$)/.test(content)) continue;
    const [, name, rest = ""] = assignment.exec(content) ?? [];
    if (name === undefined) {
      problems.push(`.env, line ${line}: must be NAME=value, a comment that begins with #, or blank`);
      continue;
    }
    const quote = /^[ \t]*(['"`])/.exec(rest)?.[1];
    if (quote === undefined) {
      const value = /^(?:(?![ \t]#).)*/s.exec(rest)?.[0] ?? "";
      entries.push({ name, value: value.trim(), line, cut: value.length < rest.trimEnd().length });
      continue;
    }
    const quoted = readQuoted(lines, index, rest.slice(rest.indexOf(quote) + 1), quote, isOurs);
    if (quoted === undefined) {
      problems.push(`.env, line ${line}: ${name} begins with ${quote} and has no closing ${quote}`);
      continue;
    }
    index = quoted.last;
    if (!/^\s*(#|$)/.test(quoted.after))
      problems.push(
        `.env, line ${quoted.last + 1}: ${name} has text after its closing ${quote}; put a value that contains ${quote} in another kind of quotes (', " or \`)`,
      );
    const value = quote === '"' ? quoted.value.replaceAll("\\n", "\n") : quoted.value;
    entries.push({ name, value, line, cut: false });
  }
  return { entries, problems };
}

/** `first`: what follows the opening quote. Undefined when the closing one is missing. `last`: the line it ends on. */
function readQuoted(
  lines: string[],
  start: number,
  first: string,
  quote: string,
  isOurs: (name: string) => boolean,
): { value: string; after: string; last: number } | undefined {
  const parts: string[] = [];
  for (let last = start; last < lines.length; last++) {
    const part = last === start ? first : (lines[last] as string);
    const next = last === start ? undefined : assignment.exec(part)?.[1];
    if (next !== undefined && isOurs(next)) return undefined;
    const end = part.indexOf(quote);
    if (end === -1) parts.push(part);
    else return { value: [...parts, part.slice(0, end)].join("\n"), after: part.slice(end + 1), last };
  }
  return undefined;
}
