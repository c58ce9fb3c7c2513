import type { PreferenceCell } from "../core/preference-schemas.ts";
import { createPreferences } from "../core/preferences.ts";
import { type Given, userId } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { safe, terminal, watched } from "./terminal.ts";

export const preferences = {
  usage: "preferences <user>",
  description: "Show what a user wants, by type and channel, and where that comes from",
  positional: { name: "user" },
  options: { json: { description: "print JSON" } },
  examples: ["belfry preferences alex", "belfry preferences alex --json"],
  async run(given: Given): Promise<void> {
    const user = userId(given.positionals[0] as string, "<user>");
    await withSession(async ({ config, store }) => {
      const { openRegistry } = await import("../settings.ts");
      const options = { timeZone: config.TIME_ZONE, changed: () => {} };
      const { show } = createPreferences(store, openRegistry(config), options);
      const answer = await watched("reading", show(user));
      if (given.flags.has("json")) return terminal.print(JSON.stringify(answer));
      const rows = answer.categories.flatMap(({ category = "", types }) =>
        types.flatMap(({ type, cells }) =>
          Object.entries(cells).map(([channel, cell]) => [
            safe(category),
            safe(type),
            channel,
            inWords(cell.value),
            safe(cell.locked ?? cell.from),
          ]),
        ),
      );
      const whole = ["CHANNEL", "VALUE"];
      terminal.print(table(["CATEGORY", "TYPE", "CHANNEL", "VALUE", "FROM"], rows, { whole }));
      const { muted_until: until, quiet = [], budget = {} } = answer.preferences;
      if (until !== undefined) terminal.note(`Muted until ${safe(until)}.`);
      for (const { days = ["every day"], from, to, channels = ["all channels"] } of quiet)
        terminal.note(
          `Quiet ${days.join(", ")} from ${from} to ${to} (${answer.time_zone}): ${channels.join(", ")}.`,
        );
      for (const [channel, { limit, at = "18:00" }] of Object.entries(budget))
        terminal.note(`At most ${limit} a day on ${safe(channel)}, the others in a digest at ${at}.`);
    });
  },
};

const inWords = (value: PreferenceCell["value"]): string =>
  typeof value === "string" ? value : value ? "on" : "off";
