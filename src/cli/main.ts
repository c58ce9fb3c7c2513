#!/usr/bin/env node
import { ConfigError } from "../config.ts";
import { BelfryError } from "../model/errors.ts";
import { version } from "../version.ts";
import { type Given, type Options, readArguments, suggestion, UsageError } from "./arguments.ts";
import { deliveries, retry, show } from "./deliveries.ts";
import { doctor } from "./doctor.ts";
import { ledger } from "./ledger.ts";
import { CommandError } from "./open.ts";
import { redrive } from "./redrive.ts";
import { send } from "./send.ts";
import { simulate } from "./simulate.ts";
import { suppressions } from "./suppressions.ts";
import { terminal } from "./terminal.ts";

/** One command of `belfry`: a file each, except the three that speak of single deliveries. */
export interface Command {
  usage: string;
  says: string;
  options: Options;
  /** The name of its one argument, when it has one. */
  positional?: string;
  run(given: Given): Promise<void>;
}

const commands: Record<string, Command> = {
  deliveries,
  show,
  retry,
  redrive,
  ledger,
  suppressions,
  send,
  simulate,
  doctor,
};

/** What was asked for was done: 0; something is wrong: 1; the command line cannot be understood: 2. */
async function main([name = "help", ...args]: string[]): Promise<number> {
  try {
    if (["help", "--help", "-h"].includes(name)) return help(args[0]);
    if (name === "--version") return say(version);
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command)
      throw new UsageError(`unknown command ${name}${suggestion(name, [...Object.keys(commands), "help"])}`);
    if (args.includes("--help") || args.includes("-h")) return help(name);
    const positional = command.positional === undefined ? undefined : { name: command.positional };
    await command.run(readArguments(args, command.options, positional));
    return 0;
  } catch (error) {
    if (error instanceof UsageError)
      terminal.note(`belfry: ${error.message}\n\`belfry help\` lists everything.`);
    else if (error instanceof CommandError || error instanceof ConfigError || error instanceof BelfryError)
      terminal.note(error.message);
    else throw error;
    return error instanceof UsageError ? 2 : 1;
  }
}

function say(text: string): number {
  terminal.print(text);
  return 0;
}

function help(name: string | undefined): number {
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) {
    const options = Object.entries(command.options).map(([option, { value, says }]) => [
      `--${option}${value ? ` ${value}` : ""}`,
      says,
    ]);
    return say([`belfry ${command.usage}`, "", command.says, "", ...aligned(options)].join("\n").trimEnd());
  }
  if (name !== undefined)
    throw new UsageError(`unknown command ${name}${suggestion(name, Object.keys(commands))}`);
  const lines = Object.values(commands).map(({ usage, says }) => [usage, says]);
  return say(
    [
      `belfry ${version}: asks and tells Belfry's database, with the service's own configuration (environment, .env)`,
      "",
      ...aligned(lines),
      "",
      "`belfry help <command>` lists its options. Exit code 1: something is wrong; 2: not understood.",
    ].join("\n"),
  );
}

function aligned(lines: string[][]): string[] {
  const width = Math.max(0, ...lines.map(([left = ""]) => left.length));
  return lines.map(([left = "", right]) => `  ${left.padEnd(width)}  ${right}`);
}

// A reader such as `head` may go before everything is written.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
