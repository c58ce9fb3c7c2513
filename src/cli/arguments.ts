import { parseArgs } from "node:util";
import { slipsBetween } from "../model/nearest.ts";
import { canonicalUser, isUserId } from "../model/user-id.ts";

/** An option of a command. `value` is the help's name for its value; without it the option is a flag. */
export interface Option {
  value?: string;
  description: string;
}

export type Options = Record<string, Option>;

/** A command's one argument. */
export interface Positional {
  name: string;
  optional?: boolean;
}

/** The arguments after the command's name. */
export interface Given {
  values: Record<string, string | undefined>;
  flags: Set<string>;
  positionals: string[];
}

/** One command of `belfry`. Each has a file of its own, except the three for single deliveries. */
export interface Command {
  usage: string;
  description: string;
  options: Options;
  positional?: Positional;
  examples: string[];
  run(given: Given): Promise<void>;
}

/** The command line is wrong; exit code 2. */
export class UsageError extends Error {}

/** Throws `UsageError` for an option that is unknown (and names the nearest known one), given twice, or without its value. */
export function readArguments(args: string[], options: Options, positional: Positional | undefined): Given {
  const known = Object.keys(options);
  const { tokens } = parseArgs({
    args,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value }]) => [name, { type: value ? "string" : "boolean" }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: Given = { values: {}, flags: new Set(), positionals: [] };
  for (const token of tokens) {
    if (token.kind === "positional") given.positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const option = known.includes(name) ? options[name] : undefined;
    if (!option) throw new UsageError(`unknown option ${rawName}${suggestion(name, known, "--")}`);
    if (given.flags.has(name) || given.values[name] !== undefined)
      throw new UsageError(`${rawName} is given twice`);
    // An option that follows is no value: `--user --json` lacks one.
    if (option.value && (!value || value.startsWith("--")))
      throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`);
    if (!option.value && value !== undefined) throw new UsageError(`${rawName} takes no value`);
    if (option.value) given.values[name] = value as string;
    else given.flags.add(name);
  }
  const most = positional ? 1 : 0;
  if (given.positionals.length > most)
    throw new UsageError(`unexpected argument ${JSON.stringify(given.positionals[most])}`);
  if (positional && !positional.optional && given.positionals.length === 0)
    throw new UsageError(`<${positional.name}> is missing`);
  return given;
}

/** `; did you mean --user?` when one of `known` is close. */
export function suggestion(word: string, known: string[], prefix = ""): string {
  const [nearest] = known
    .map((one) => ({ one, distance: one.startsWith(word) ? 1 : slipsBetween(word, one) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.max(2, Math.floor(word.length / 3))
    ? `; did you mean ${prefix}${nearest.one}?`
    : "";
}

/** Reads options with a check that requests have, too. Its error becomes one of the command line. */
export function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\.$/, ""));
  }
}

/** An option that must be there. */
export function required(given: Given, name: string): string {
  const text = given.values[name];
  if (text === undefined) throw new UsageError(`--${name} is missing`);
  return text;
}

/** A user's id. */
export function userId(text: string, name: string): string {
  if (!isUserId(text))
    throw new UsageError(
      `${name} must have 1 to 128 characters, at least one of them visible, and must not be . or ..`,
    );
  return canonicalUser(text);
}

/** An integer option, or `otherwise` when it is not given. */
export function integer(given: Given, name: string, min: number, max: number, otherwise: number): number {
  const text = given.values[name];
  if (text === undefined) return otherwise;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`--${name} must be an integer from ${min} to ${max}`);
  return value;
}
