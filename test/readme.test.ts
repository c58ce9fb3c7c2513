import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createTypeRegistry } from "../src/core/notification-types.ts";
import { builtInTypes } from "../src/core/types.ts";
import { errorCodes } from "../src/model/errors.ts";
import { freshDatabase } from "./support/database.ts";
import { eventually, startService } from "./support/service.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const readme = read("README.md");
const { uri } = freshDatabase();

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

test("the README names the two commands and has at most 800 words", () => {
  expect(readme).toContain("npm ci && npm start");
  expect(readme).toContain("npm ci && npm test");
  expect(readme.split(/\s+/).length).toBeLessThanOrEqual(800);
});

test("docs/errors.md lists every error code with its status and description", () => {
  const rows = [...read("docs/errors.md").matchAll(/^\| `(\w+)` \| (\d{3}) \| (.*) \|$/gm)].map(
    ([, code, status, meaning]) => [code, Number(status), meaning],
  );
  const known = Object.entries(errorCodes).map(([code, { status, description }]) => [
    code,
    status,
    description,
  ]);
  expect(rows).toEqual(known);
});

test("docs/types.md names every built-in type, and its example loads", () => {
  const page = read("docs/types.md");
  for (const key of Object.keys(builtInTypes)) expect(page).toContain(`\`${key}\``);
  const example = /```json\n(\{\n {2}"invoice"[\s\S]*?)```/.exec(page)?.[1] ?? "";
  const general = { delayMs: 10_000, factor: 2, maxRetries: 5 };
  expect(createTypeRegistry(general, JSON.parse(example)).problems).toEqual([]);
});

test("each figure of the README is the one in the newest results", () => {
  const page = read("docs/results/create-list.md");
  const measured = (what: string) => {
    const row = page.split("\n").find((line) => line.startsWith(`| ${what} |`));
    return Number(/^\| .*? \| .*? \| ([\d.]+) /.exec(row ?? "")?.[1]);
  };
  const shown = (what: string) => {
    const row = readme.split("\n").find((line) => line.startsWith(`| ${what}`)) ?? "";
    const figure = /\| ([\d.]+)[^|]*\|$/.exec(row)?.[1] ?? "";
    return { value: Number(figure), decimals: figure.split(".")[1]?.length ?? 0 };
  };
  for (const [inReadme, inResults] of [
    ["inbox notifications over HTTP", "new_message, 128 connections"],
    ["inbox and e-mail in one transaction", "new_login, 128 connections"],
    ["lists with exact counts", "list, 128 connections"],
    ["idle memory", "memory idle, MongoDB there"],
    ["seconds to ready", "ready, MongoDB there"],
  ] as const) {
    const { value, decimals } = shown(inReadme);
    expect(value, `${inReadme} in the README`).toBe(Number(measured(inResults).toFixed(decimals)));
  }
  const [, kills, creates, mailsTwice] =
    /\| (\d+) × `kill -9` in ([\d,]+) creates \| 0 acknowledged lost, 0 twice in an inbox, (\d+) mails/.exec(
      readme,
    ) ?? [];
  const { scenarios } = JSON.parse(read("chaos/results/reliability.json"));
  const killed = scenarios.find((one: { scenario: string }) => one.scenario === "kill -9");
  expect({
    kills: killed.faults.length,
    creates: killed.acknowledged,
    lost: killed.lost,
    itemsTwice: killed.itemsTwice,
    mailsTwice: killed.duplicates,
  }).toEqual({
    kills: Number(kills),
    creates: Number(creates?.replace(",", "")),
    lost: 0,
    itemsTwice: 0,
    mailsTwice: Number(mailsTwice),
  });
});

test("the README's comparison with a service on BullMQ is that of the newest results", () => {
  const cells = (what: string) => {
    const row = read("docs/results/peers.md")
      .split("\n")
      .find((line) => line.startsWith(`| ${what}`));
    const [, , belfry, bullmq] = (row ?? "").split("|").map((cell) => cell.trim());
    return { belfry: Number(belfry), bullmq: Number(bullmq) };
  };
  const ratio = (what: string) => (cells(what).belfry / cells(what).bullmq).toFixed(1);
  const creates = ratio("inbox and e-mail, 128 connections: accepted a second");
  const mails = ratio("backlog of");
  const memory = ratio("memory idle");
  const lines = cells("lines of code to write").bullmq;
  expect(readme.replaceAll("\n", " ")).toContain(
    `a service of ${lines} lines on BullMQ ([peers](docs/results/peers.md)), Belfry accepts ${creates} × the creates, sends ${mails} × the mails of a backlog, and needs ${memory} × the memory`,
  );
});

test("every relative link of the README and the docs leads to a file and a heading that exist", () => {
  const pages = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    ...(readdirSync(join(root, "docs"), { recursive: true }) as string[])
      .filter((file) => file.endsWith(".md"))
      .map((file) => join("docs", file)),
  ];
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/(?:\]\(|srcset="|src=")(?!\w+:)([^)"#\s]*)(#[^)"\s]+)?[)"]/g)].flatMap(
      ([, path = "", anchor]) => {
        const target = path === "" ? page : join(dirname(page), path);
        if (path.startsWith("/")) return [];
        if (!existsSync(join(root, target))) return [`${page}: ${path}`];
        return anchor && target.endsWith(".md") && !headings(target).includes(anchor.slice(1))
          ? [`${page}: ${path}${anchor}`]
          : [];
      },
    ),
  );
  expect(broken).toEqual([]);
});

/** The anchors of a page's headings, as GitHub makes them. */
function headings(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    (text as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

const run = (command: string) => promisify(execFile)("bash", ["-c", command]);

/** An answer without what differs from run to run: ids, times and revisions. */
function shapeOf(answer: string): string {
  return answer
    .trim()
    .replace(/"((?:\w+_)?id)":"[0-9a-f]{24}"/g, '"$1":"…"')
    .replace(/"(rev|created_rev)":\d+/g, '"$1":0')
    .replace(/"(\w+_at)":"[^"]*"/g, '"$1":"…"');
}
