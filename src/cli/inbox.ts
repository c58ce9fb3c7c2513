import { inboxItemDto } from "../model/inbox-dto.ts";
import { type Given, integer, userId } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { safe, shortMomentOf, terminal, watched } from "./terminal.ts";

export const inbox = {
  usage: "inbox <user>",
  description: "Show a user's inbox, newest first",
  positional: { name: "user" },
  options: {
    unread: { description: "only unread items" },
    archived: { description: "only archived items, which are left out otherwise" },
    limit: { value: "<n>", description: "how many at most; 20 by default" },
    json: { description: "print JSON, one item per line" },
  },
  examples: ["belfry inbox alex", "belfry inbox alex --unread --json"],
  async run(given: Given): Promise<void> {
    const limit = integer(given, "limit", 1, 1_000, 20);
    const user = userId(given.positionals[0] as string, "<user>");
    await withSession(async ({ store }) => {
      const archived = given.flags.has("archived");
      const query = { user, limit, skip: 0, archived, ...(given.flags.has("unread") && { unread: true }) };
      const { items, unread, total } = await watched("reading", store.inbox.read(query));
      if (given.flags.has("json"))
        for (const item of items) terminal.print(JSON.stringify(inboxItemDto(item)));
      else if (items.length === 0) terminal.print("No items.");
      else {
        const rows = items.map((item) => [
          shortMomentOf(item.timestamp * 1_000),
          item.id,
          item.is_new ? "unread" : "read",
          safe(item.key),
          safe(item.title ?? item.body ?? ""),
        ]);
        const style = (_: string, cell: string) => (cell === "unread" ? ("bold" as const) : undefined);
        terminal.print(
          table(["CREATED", "ID", "STATE", "TYPE", "TITLE"], rows, {
            whole: ["CREATED", "ID", "STATE"],
            style,
          }),
        );
      }
      terminal.note(`${unread} unread of ${total}.`);
    });
  },
};
