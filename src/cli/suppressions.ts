import { type Channel, channels } from "../model/notification.ts";
import { suppressionOnWire } from "../model/operate-wire.ts";
import { type Given, integer, UsageError } from "./arguments.ts";
import { withBooks } from "./open.ts";
import { safe, table, terminal, watched } from "./terminal.ts";

export const suppressions = {
  usage: "suppressions",
  says: "Addresses that take nothing more; with --remove, one is tried again",
  options: {
    user: { value: "<id>", says: "of this user" },
    channel: { value: "<channel>", says: channels.join(", ") },
    limit: { value: "<n>", says: "at most so many; 100 without it" },
    remove: { says: "try it again; wants --user and --channel" },
    json: { says: "JSON, one line each" },
  },
  async run(given: Given): Promise<void> {
    const { user, channel } = given.values;
    if (channel !== undefined && !channels.includes(channel as Channel))
      throw new UsageError(`--channel must be one of ${channels.join(", ")}`);
    const known = channel as Channel | undefined;
    const limit = integer(given, "limit", 1, 10_000, 100);
    await withBooks(async ({ operate }) => {
      if (given.flags.has("remove")) {
        if (user === undefined || known === undefined)
          throw new UsageError("--remove wants --user and --channel");
        await operate.unsuppress(user, known);
        return terminal.print(`${known} of ${safe(user)} is tried again.`);
      }
      const filter = { ...(user !== undefined && { user }), ...(known && { channel: known }) };
      const page = await watched("looking", operate.suppressions(filter, limit));
      if (given.flags.has("json"))
        for (const one of page.data) terminal.print(JSON.stringify(suppressionOnWire(one)));
      else if (page.data.length === 0) terminal.print("No address is suppressed.");
      else {
        const rows = page.data.map((one) => [
          one.at.toISOString(),
          one.channel,
          one.reason,
          safe(one.user),
          safe(one.address),
        ]);
        terminal.print(table(["SINCE", "CHANNEL", "REASON", "USER", "ADDRESS"], rows));
      }
      if (page.next !== undefined) terminal.note(`There are more than ${limit}; ask with a larger --limit.`);
    });
  },
};
