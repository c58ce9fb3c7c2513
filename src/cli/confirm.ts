import { createInterface } from "node:readline/promises";
import type { Given } from "./arguments.ts";

/** Asks at a terminal. True with `--yes`, and where nobody can be asked. */
export async function agreed(given: Given, question: string): Promise<boolean> {
  if (given.flags.has("yes") || !process.stdin.isTTY || !process.stderr.isTTY) return true;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}
