import { type Channel, channels } from "../model/notification.ts";
import { suppressionOnWire } from "../model/operate-wire.ts";
import { type Given, integer, UsageError } from "./arguments.ts";
import { withBooks } from "./open.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";

export const suppressions = {
  usage: "suppressions",
  description: "List suppressed addresses; with --remove, allow one again",
  options: {
    user: { value: "<id>", description: "only this user's" },
    channel: { value: "<channel>", description: channels.join(", ") },
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    remove: { description: "allow the address again; needs --user and --channel" },
    json: { description: "print JSON, one address per line" },
  },
  examples: ["belfry suppressions", "belfry suppressions --remove --user alex --channel email"],
  async run(given: Given): Promise<void> {
    const { user, channel } = given.values;
    if (channel !== undefined && !channels.includes(channel as Channel))
      throw new UsageError(`--channel must be one of ${channels.join(", ")}`);
    const known = channel as Channel | undefined;
    const limit = integer(given, "limit", 1, 10_000, 100);
    await withBooks(async ({ operate }) => {
      if (given.flags.has("remove")) {
        if (user === undefined || known === undefined)
          throw new UsageError("--remove needs --user and --channel");
        await operate.unsuppress(user, known);
        return terminal.print(`The ${known} address of ${safe(user)} is allowed again.`);
      }
      const filter = { ...(user !== undefined && { user }), ...(known && { channel: known }) };
      const page = await watched("searching", operate.suppressions(filter, limit));
      if (given.flags.has("json"))
        for (const one of page.data) terminal.print(JSON.stringify(suppressionOnWire(one)));
      else if (page.data.length === 0) terminal.print("No address is suppressed.");
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
