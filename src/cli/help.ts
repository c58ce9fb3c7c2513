import { version } from "../version.ts";
import type { Command } from "./arguments.ts";
import { columnsOf, styled, wrapped } from "./terminal.ts";

/** The text of `belfry help`: every command by its purpose. */
export function overview(groups: Record<string, Command[]>): string {
  const lines = Object.entries(groups).flatMap(([title, commands]) => [
    styled("bold", title),
    ...aligned(commands.map(({ usage, description }) => [usage, description])),
    "",
  ]);
  return [
    `belfry ${version}`,
    "",
    ...wrapped("Usage: belfry <command> [options]", widest()),
    "",
    ...lines,
    ...wrapped(
      "The commands read the service's own configuration (environment and .env) and work on its database, whether or not the service runs. `belfry <command> --help` shows the options of a command, with examples.",
      widest(),
    ),
    "",
    "Exit codes: 0 done, 1 something is wrong, 2 the command line is wrong.",
  ].join("\n");
}

export function helpOf({ usage, description, options, examples }: Command): string {
  const written = Object.entries(options).map(
    ([option, { value, description: meaning }]) =>
      [`--${option}${value ? ` ${value}` : ""}`, meaning] as const,
  );
  return [
    styled("bold", `belfry ${usage}`),
    "",
    ...wrapped(`${description}.`, widest()),
    ...(written.length > 0 ? ["", styled("bold", "Options"), ...aligned(written)] : []),
    "",
    styled("bold", "Examples"),
    ...examples.map((example) => `  ${example}`),
  ].join("\n");
}

const widest = () => Math.min(columnsOf(), 80);

function aligned(lines: ReadonlyArray<readonly [string, string]>): string[] {
  const width = Math.max(...lines.map(([left]) => left.length));
  return lines.flatMap(([left, right]) =>
    wrapped(right, Math.max(20, widest() - width - 4)).map(
      (part, index) => `  ${(index === 0 ? left : "").padEnd(width)}  ${part}`,
    ),
  );
}
