import { readPeriod } from "../core/filters.ts";
import type { LedgerLine } from "../model/operate.ts";
import { ledgerOnWire } from "../model/operate-wire.ts";
import { type Given, UsageError } from "./arguments.ts";
import { CommandError, withBooks } from "./open.ts";
import { table, terminal, watched } from "./terminal.ts";

const columns = [
  "accepted",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "canceled",
  "uncertain",
  "pending",
] as const;

export const ledger = {
  usage: "ledger",
  says: "What became of everything accepted, and whether the books balance",
  options: {
    from: { value: "<time>", says: "24 hours ago without it" },
    to: { value: "<time>", says: "now without it" },
    json: { says: "as JSON" },
  },
  async run(given: Given): Promise<void> {
    const { from, to } = given.values;
    const period = readPeriod({ ...(from && { from }), ...(to && { to }) }, (name, detail) => {
      throw new UsageError(`--${name} ${detail}`);
    });
    await withBooks(async ({ operate }) => {
      const books = await watched("counting", operate.ledger(period.from, period.to));
      const told = ledgerOnWire(books);
      if (given.flags.has("json")) terminal.print(JSON.stringify(told));
      else {
        const row = (name: string, line: LedgerLine) => [
          name,
          ...columns.map((column) => String(line[column])),
          line.balanced ? "yes" : "NO",
        ];
        const rows = Object.entries(books.channels).map(([channel, line]) => row(channel, line));
        const heads = ["CHANNEL", ...columns.map((column) => column.toUpperCase()), "BALANCED"];
        terminal.print(`${told.from} to ${told.to}\n\n${table(heads, [...rows, row("all", books.total)])}`);
      }
      if (!books.total.balanced)
        throw new CommandError(
          'The books do not balance: see docs/operating.md, "The books do not balance".',
        );
    });
  },
};
