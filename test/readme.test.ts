import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createCatalog } from "../src/core/catalog.ts";
import { builtInTypes } from "../src/core/types.ts";
import { errorCodes } from "../src/model/errors.ts";
import { freshDatabase } from "./support/database.ts";
import { eventually, startService } from "./support/service.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const { uri } = freshDatabase();
const general = { delayMs: 10_000, factor: 2, maxRetries: 5 };

const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language,
  text: (text as string).trim(),
}));

test("the README's calls, pasted as they stand, answer what it says", async () => {
  const service = await startService({ DB_URI: uri });
  const calls = blocks.flatMap((block, index) =>
    block.text.startsWith("curl") ? [{ command: block.text, answer: blocks[index + 1]?.text ?? "" }] : [],
  );
  expect(calls).toHaveLength(3);
  for (const { command, answer } of calls) {
    const expected = shapeOf(answer);
    await eventually(async () => {
      const { stdout } = await run(command.replaceAll("http://127.0.0.1:3000", service.url));
      return stdout && shapeOf(stdout) === expected;
    }, `the answer that the README shows to: ${command}`);
  }
});

test("docs/errors.md lists every error code with its status and description", () => {
  const page = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\d{3}) \| (.*) \|$/gm)].map(([, code, status, meaning]) => [
    code,
    Number(status),
    meaning,
  ]);
  const known = Object.entries(errorCodes).map(([code, { status, description }]) => [
    code,
    status,
    description,
  ]);
  expect(rows).toEqual(known);
});

test("the README names the two commands, and has a types file that loads", () => {
  expect(readme).toContain("npm ci && npm start");
  expect(readme).toContain("npm ci && npm test");
  for (const key of Object.keys(builtInTypes)) expect(readme).toContain(`\`${key}\``);
  const types = blocks.find((block) => block.text.includes('"invoice"'))?.text ?? "";
  expect(createCatalog(general, JSON.parse(types)).problems).toEqual([]);
});

const run = (command: string) => promisify(execFile)("bash", ["-c", command]);

/** An answer without what differs from run to run: ids, times and the long HTML. */
function shapeOf(answer: string): string {
  return answer
    .trim()
    .replace(/"id":"[0-9a-f]{24}"/g, '"id":"…"')
    .replace(/"(timestamp|at)":\d+/g, '"$1":0')
    .replace(/"html":"(?:[^"\\]|\\.)*"/g, '"html":"…"');
}
