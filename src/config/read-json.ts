import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readText } from "./read-text.ts";

/** The JSON of an operator's file. Throws an error whose message ends the sentence "the file …". */
export function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`is not JSON: ${(error as Error).message}`);
  }
}

/** The JSON files of a folder, by their names without `.json`. Throws in the same way, of the folder. */
export function readJsonFolder(folder: string) {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const files: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const name of names.filter((one) => /^[^.].*\.json$/.test(one)).sort()) {
    const file = join(folder, name);
    try {
      files[name.slice(0, -".json".length)] = readJson(file);
    } catch (error) {
      problems.push(`${file}: the file ${(error as Error).message}`);
    }
  }
  return { files, problems };
}
