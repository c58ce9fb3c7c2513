import { existsSync } from "node:fs";
import { nearest } from "../model/nearest.ts";
import { shownValue } from "./address.ts";
import { parseEnvFile } from "./env-file.ts";
import { readText } from "./read-text.ts";
import { contradictions } from "./rules.ts";
import { type Config, variables } from "./table.ts";
import { Problem } from "./variable.ts";

/** Every problem with the configuration, for a start that stops. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(
      `The configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n- ${problems.join("\n- ")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** The configuration of this process: its environment, and `.env` in the working folder. */
export function readConfig(): ReturnType<typeof loadConfig> {
  try {
    return loadConfig(process.env, existsSync(".env") ? readText(".env") : "");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`.env ${(error as Error).message}`]);
  }
}

/**
 * Reads and checks the whole configuration. `env`: the process's variables; they win over those of `envFile`
 * (the text of a `.env`). Throws `ConfigError` with all problems at once. `unknown`: other names in the file; not an
 * error, since it may be shared with other programs.
 */
export function loadConfig(
  env: Record<string, string | undefined>,
  envFile = "",
): { config: Config; unknown: string[] } {
  const known = new Set(variables.flatMap((one) => namesOf(one)));
  const { entries, problems } = parseEnvFile(envFile.replace(/^\uFEFF/, ""), (name) => known.has(name));
  const fromFile = Object.fromEntries(entries.map(({ name, value }) => [name, value]));
  const lines = new Map<string, number>();
  for (const { name, line } of entries) {
    if (known.has(name) && lines.has(name))
      problems.push(
        `.env, line ${line}: ${name} is already set on line ${lines.get(name)}; remove one of them`,
      );
    lines.set(name, line);
  }
  problems.push(...misspelled(env, fromFile, known));
  const cut = new Map(entries.filter((one) => one.cut).map((one) => [one.name, one.line]));

  const wrong = new Set<string>();
  const values = variables.map((variable) => {
    const names = namesOf(variable);
    // Whichever of its names they use, the process's variables win.
    const fromProcess = names.some((name) => env[name] !== undefined);
    const before = problems.length;
    const value = readVariable(variable, fromProcess ? env : fromFile, problems);
    const unclear = names.find((name) => !fromProcess && cut.has(name));
    if (unclear !== undefined && (variable.freeText || variable.secret))
      problems.push(
        `.env, line ${cut.get(unclear)}: ${unclear} has an unquoted # after a blank, which would begin a comment; put the value in quotes, or the comment on its own line`,
      );
    if (problems.length > before) wrong.add(variable.name);
    return [variable.name, value];
  });
  const config = Object.fromEntries(values) as Config;
  problems.push(...contradictions(config, wrong));
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, unknown: Object.keys(fromFile).filter((name) => !known.has(name)) };
}

const namesOf = (variable: (typeof variables)[number]): string[] => {
  const names = [variable.name, ...(variable.aliases ?? [])];
  return variable.secret ? names.flatMap((name) => [name, `${name}_FILE`]) : names;
};

/**
 * Names that are probably meant to be Belfry's. The environment belongs to other programs too, so there only long
 * names count, and only when the variable they resemble is not set.
 */
function misspelled(
  env: Record<string, string | undefined>,
  fromFile: Record<string, string>,
  known: Set<string>,
): string[] {
  const isSet = (name: string) =>
    variables.some((one) => {
      const names = namesOf(one);
      return names.includes(name) && names.some((other) => env[other] || fromFile[other]);
    });
  const suspects = [
    ...Object.keys(fromFile).map((name) => ({ name, where: ".env" })),
    ...Object.keys(env)
      .filter((name) => name.length >= 9 && !(name in fromFile))
      .map((name) => ({ name, where: "the environment" })),
  ];
  return suspects.flatMap(({ name, where }) => {
    const meant = known.has(name) ? undefined : nearest(name, [...known]);
    if (meant === undefined || (where !== ".env" && isSet(meant))) return [];
    return [`${name} (in ${where}) is not a variable of Belfry; did you mean ${meant}?`];
  });
}

function readVariable(
  variable: (typeof variables)[number],
  given: Record<string, string | undefined>,
  problems: string[],
): unknown {
  const set = namesOf(variable).filter((name) => given[name]?.trim());
  const texts = set.map((name) => {
    const text = given[name] as string;
    if (!variable.secret || !name.endsWith("_FILE")) return text;
    try {
      const content = readText(text).replace(/\r?\n$/, "");
      if (content.trim() !== "") return content;
      // Treated as unset it would open the service to everyone.
      problems.push(`${name}: the file it names is empty`);
    } catch (error) {
      problems.push(`${name}: the file it names ${(error as Error).message}`);
    }
    return "";
  });
  if (new Set(texts.map((text) => text.trim())).size > 1)
    problems.push(`${set.join(" and ")} contradict each other: set one of them`);
  const text = texts[0] || variable.default;
  if (text === "") return undefined;
  const value = variable.parse(text);
  if (!(value instanceof Problem)) return value;
  problems.push(`${set[0] ?? variable.name}: ${value.text}${variable.secret ? "" : shownValue(text)}`);
  return undefined;
}
