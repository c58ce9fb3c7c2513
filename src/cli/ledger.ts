import { readPeriod } from "../core/filters.ts";
import { readLedger } from "../core/ledger.ts";
import { ledgerDto } from "../core/ledger-dto.ts";
import { type Given, UsageError } from "./arguments.ts";
import { CommandError, withSession } from "./session.ts";
import { table } from "./table.ts";
import { type Style, terminal, watched } from "./terminal.ts";
import { readMoment, timeForms } from "./time.ts";

const counts = [
  "accepted",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "canceled",
  "held",
  "digested",
  "recalled",
  "uncertain",
  "pending",
] as const;

export const ledger = {
  usage: "ledger",
  description: "Count what became of every accepted delivery, and check that nothing is missing",
  options: {
    from: { value: "<time>", description: `24 hours ago by default: ${timeForms}` },
    to: { value: "<time>", description: "now by default" },
    json: { description: "print JSON" },
  },
  examples: ["belfry ledger", "belfry ledger --from yesterday --to today"],
  async run(given: Given): Promise<void> {
    const { from, to } = given.values;
    const written = { ...(from && { from: readMoment(from) }), ...(to && { to: readMoment(to) }) };
    const period = readPeriod(written, (name, detail) => {
      throw new UsageError(`--${name} ${detail}`);
    });
    await withSession(async ({ store }) => {
      const found = await watched("counting", readLedger(store, period.from, period.to));
      const shown = ledgerDto(found);
      if (given.flags.has("json")) terminal.print(JSON.stringify(shown));
      else {
        const lines = [...Object.entries(found.channels), ["all", found.total] as const];
        const heads = ["", ...lines.map(([name]) => name.toUpperCase())];
        const rows = [
          ...counts.map((count) => [count, ...lines.map(([, line]) => String(line[count]))]),
          ["balanced", ...lines.map(([, line]) => (line.balanced ? "yes" : "NO"))],
        ];
        const style = (_: string, cell: string): Style | undefined => (cell === "NO" ? "red" : undefined);
        terminal.print(
          `${shown.from} to ${shown.to}\n\n${table(heads, rows, { numbers: heads.slice(1), style })}`,
        );
      }
      if (!found.total.balanced)
        throw new CommandError(
          'The ledger does not balance: see "The ledger does not balance" in docs/operating.md.',
        );
    });
  },
};
