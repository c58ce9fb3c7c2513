import { readFileSync } from "node:fs";
import { plot } from "./plot.ts";
import { calmPercent, cells, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

export type PartName = "users" | "backlog" | "inbox" | "finished" | "followers";

/** One kind of request at one size. */
export interface Point {
  what: string;
  size: number;
  /** Processor time of mongod and Belfry for one request. */
  micros: number;
  range: [number, number];
  /** Per cent of one core that other programs took at most. */
  others: number;
  /** The work of the plain driver, and not of Belfry: it has no target. */
  isReference?: true;
}

/** Bytes. `size`: of the documents before compression. */
export interface Storage {
  count: number;
  size: number;
  storageSize: number;
  totalIndexSize: number;
  indexSizes: Record<string, number>;
}

export interface Part {
  measuredAt: string;
  points: Point[];
  storage?: Record<string, Storage>;
}

export interface ScaleResults extends Facts {
  requests: number;
  rounds: number;
  parts: Partial<Record<PartName, Part>>;
}

const titles: Record<PartName, string> = {
  users: "users",
  backlog: "waiting deliveries",
  inbox: "items in each inbox",
  finished: "finished deliveries",
  followers: "processes with live connections",
};
const target = { atMost: 1.3 };

export const resultsFile = new URL("../../bench/results/scale.json", import.meta.url);

/** The parts of former runs. */
export function readParts(): ScaleResults["parts"] {
  try {
    return (JSON.parse(readFileSync(resultsFile, "utf8")) as ScaleResults).parts;
  } catch {
    return {};
  }
}

const short = (count: number) =>
  count >= 1e6 ? `${count / 1e6}M` : count >= 1_000 ? `${count / 1_000}k` : `${count}`;

function pointsOf({ points }: Part): Point[][] {
  return [...new Set(points.map(({ what }) => what))].map((what) =>
    points.filter((one) => one.what === what).sort((a, b) => a.size - b.size),
  );
}

/** How the cost at the largest size compares with that at the smallest. */
function judge(name: PartName, part: Part): Verdict[] {
  return pointsOf(part).map((points) => {
    const [first, last] = [points[0], points.at(-1)] as [Point, Point];
    const what = `${first.what}, ${short(last.size)} : ${short(first.size)} ${titles[name]}`;
    const isJudged = name !== "followers" && !first.isReference;
    return verdict(what, [last.micros / first.micros], "×", isJudged ? target : undefined);
  });
}

export function write(results: ScaleResults): string[] {
  const parts = Object.entries(results.parts) as Array<[PartName, Part]>;
  const verdicts = parts.flatMap(([name, part]) => judge(name, part));
  return writeFiles("bench:scale", "scale", {
    title: "The cost of more data",
    results,
    svg: plot(
      verdicts.map((one) => ({ ...one, what: one.what.replace("an operator's page", "page") })),
      {
        title: "Processor time of one request, at the largest size against the smallest",
        subtitle: "mongod and Belfry together; line at 1 ×: the same cost",
      },
    ),
    markdown: markdown(results, parts, verdicts),
  });
}

function markdown(results: ScaleResults, parts: Array<[PartName, Part]>, verdicts: Verdict[]): string {
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const tables = parts.map(([name, part]) => {
    const sizes = [...new Set(part.points.map(({ size }) => size))].sort((a, b) => a - b);
    const rows = pointsOf(part).map((points) =>
      row([points[0]?.what ?? "", ...points.map(({ micros, range }) => `${micros} (${range.join(" – ")})`)]),
    );
    return `## More ${titles[name]}
${row(["µs of one request", ...sizes.map(short)])}
|---|${sizes.map(() => "--:|").join("")}
${rows.join("\n")}`;
  });
  const stored = parts.flatMap(([, { storage = {} }]) => Object.entries(storage));
  const bytes = stored.flatMap(([name, { count, size, storageSize, totalIndexSize, indexSizes }]) => {
    const each = (total: number) => (total / count).toFixed(0);
    const rows = Object.entries(indexSizes).map(([index, total]) =>
      row([`– index \`${index}\``, "", "", each(total)]),
    );
    return [row([`${name} (${count})`, each(size), each(storageSize), each(totalIndexSize)]), ...rows];
  });
  const all = parts.flatMap(([, { points }]) => points);
  const disturbed = all.filter(({ others }) => others > calmPercent).length;
  const days = [...new Set(parts.map(([, { measuredAt }]) => measuredAt.slice(0, 10)))];
  return `
Measured on ${days.join(" and ")}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod} with a cache of 1 GB;
${results.rounds} rounds of ${results.requests} requests, 32 at a time; the figure is the median, with its range. A claim takes 16 deliveries, and gives them back.
${disturbed} of ${all.length} figures were disturbed by other programs (over ${calmPercent} % of a core).

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Processor time of one request at the largest size against the smallest](../../bench/results/scale.svg)

${tables.join("\n\n")}

## Bytes of one document
*compressed* is on disk, in the file of the collection; the last column is on disk, too.

${row(["collection (documents)", "BSON", "compressed", "indexes"])}
|---|--:|--:|--:|
${bytes.join("\n")}
`;
}
