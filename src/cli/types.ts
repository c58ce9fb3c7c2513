import { readConfig } from "../config/load.ts";
import type { Given } from "./arguments.ts";
import { table } from "./table.ts";
import { safe, terminal } from "./terminal.ts";

export const types = {
  usage: "types",
  description: "List the notification types: the built-in ones and those of NOTIFICATION_TYPES_FILE",
  options: { json: { description: "print JSON, one type per line, with its templates" } },
  examples: ["belfry types", "belfry types --json"],
  async run(given: Given): Promise<void> {
    const [{ describeTypes }, { openRegistry }] = await Promise.all([
      import("../core/preview.ts"),
      import("../settings.ts"),
    ]);
    const all = describeTypes(openRegistry(readConfig().config));
    if (given.flags.has("json")) for (const one of all) terminal.print(JSON.stringify(one));
    else {
      const rows = all.map(({ key, inbox, channels, description = "" }) => [
        key,
        inbox ? "yes" : "no",
        channels.join(", "),
        safe(description),
      ]);
      terminal.print(table(["TYPE", "INBOX", "CHANNELS", "DESCRIPTION"], rows, { whole: ["TYPE"] }));
    }
  },
};
