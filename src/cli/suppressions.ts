import { createInterface } from "node:readline/promises";
import { channelNames } from "../channels/index.ts";
import { readSuppressionFilters } from "../core/filters.ts";
import { suppressionDto } from "../core/suppression-dto.ts";
import { createSuppressions, type Suppressions } from "../core/suppressions.ts";
import { suppressionReasons } from "../model/channel.ts";
import { type Given, integer, UsageError } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";
import { readMoment, timeForms } from "./time.ts";

export const suppressions = {
  usage: "suppressions [filters]",
  description: "List suppressed addresses; with --remove, allow those that match again",
  options: {
    user: { value: "<id>", description: "only this user's" },
    channel: { value: "<channel>", description: channelNames().join(", ") },
    reason: { value: "<reason>", description: suppressionReasons.join(", ") },
    from: { value: "<time>", description: `suppressed at this time or later: ${timeForms}` },
    to: { value: "<time>", description: "suppressed before this time" },
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    remove: { description: "allow the addresses that match again" },
    "dry-run": { description: "with --remove: only count them" },
    yes: { description: "with --remove: do not ask for confirmation" },
    json: { description: "print JSON, one address per line" },
  },
  examples: ["belfry suppressions", "belfry suppressions --remove --reason address --from -2h"],
  async run(given: Given): Promise<void> {
    const { user, channel, reason, from, to } = given.values;
    const written = {
      ...(user !== undefined && { user_id: user }),
      ...(channel !== undefined && { channel }),
      ...(reason !== undefined && { reason }),
      ...(from !== undefined && { from: readMoment(from) }),
      ...(to !== undefined && { to: readMoment(to) }),
    };
    const filter = filterOf(written);
    const limit = integer(given, "limit", 1, 10_000, 100);
    const removing = given.flags.has("remove");
    if (removing && Object.keys(filter).length === 0)
      throw new UsageError("--remove needs a filter: --user, --channel, --reason, --from or --to");
    if (!removing && given.flags.has("dry-run")) throw new UsageError("--dry-run is for --remove");

    await withSession(async ({ store }) => {
      const { list, removeAll } = createSuppressions(store);
      if (removing) return remove(removeAll, filter, given);
      const page = await watched("searching", list(filter, limit));
      if (given.flags.has("json"))
        for (const one of page.data) terminal.print(JSON.stringify(suppressionDto(one)));
      else if (page.data.length === 0) terminal.print("No suppressed addresses match.");
      else {
        const rows = page.data.map((one) => [
          momentOf(one.at.getTime()),
          one.channel,
          one.reason,
          safe(one.user),
          safe(one.address),
        ]);
        terminal.print(
          table(["SINCE", "CHANNEL", "REASON", "USER", "ADDRESS"], rows, {
            whole: ["SINCE", "CHANNEL", "REASON"],
          }),
        );
      }
      if (page.next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

type Filter = ReturnType<typeof readSuppressionFilters>;

function filterOf(written: Parameters<typeof readSuppressionFilters>[0]): Filter {
  try {
    return readSuppressionFilters(written, (name) => `--${name.replace(/_id$/, "")}`);
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\.$/, ""));
  }
}

async function remove(removeAll: Suppressions["removeAll"], filter: Filter, given: Given): Promise<void> {
  const asJson = given.flags.has("json");
  const print = (dryRun: boolean, count: number, sentence: string) =>
    terminal.print(
      asJson ? JSON.stringify({ dry_run: dryRun, [dryRun ? "would_remove" : "removed"]: count }) : sentence,
    );
  const everything = Number.POSITIVE_INFINITY;
  const { removed: matching } = await watched("counting", removeAll(filter, true, everything));
  if (given.flags.has("dry-run")) return print(true, matching, `${numbered(matching)} would be removed.`);
  if (matching === 0)
    return print(false, 0, "No suppressed addresses match; opt-outs need --reason opt_out.");
  if (!(await agreed(given, matching))) return print(false, 0, "Nothing was changed.");
  const { removed } = await watched("removing", removeAll(filter, false, everything));
  print(
    false,
    removed,
    `${numbered(removed)} removed. \`belfry redrive\` sends again what was skipped or failed.`,
  );
}

const numbered = (count: number): string => `${count} ${count === 1 ? "suppression" : "suppressions"}`;

async function agreed(given: Given, count: number): Promise<boolean> {
  if (given.flags.has("yes") || !process.stdin.isTTY || !process.stderr.isTTY) return true;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`Remove ${numbered(count)}? [y/N] `);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}
