import { createFindUsers } from "../core/find-users.ts";
import { type Given, integer } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { safe, terminal, watched } from "./terminal.ts";

export const users = {
  usage: "users [search]",
  description: "List users, or find some by an id, the beginning of one, an e-mail address or a phone number",
  positional: { name: "search", optional: true },
  options: {
    limit: { value: "<n>", description: "how many at most; 20 by default" },
    json: { description: "print JSON, one user per line" },
  },
  examples: [
    "belfry users",
    "belfry users alex",
    "belfry users alex@example.com",
    "belfry users +4915112345678",
  ],
  async run(given: Given): Promise<void> {
    const limit = integer(given, "limit", 1, 10_000, 20);
    const [search] = given.positionals;
    await withSession(async ({ store }) => {
      const find = createFindUsers(store.search);
      const { data, next } = await watched("searching", find(search, limit));
      if (given.flags.has("json")) for (const one of data) terminal.print(JSON.stringify(one));
      else if (data.length === 0) terminal.print(search ? "No users match." : "There are no users yet.");
      else {
        const rows = data.map(({ id, email = "", phone = "" }) => [safe(id), safe(email), safe(phone)]);
        terminal.print(table(["ID", "EMAIL", "PHONE"], rows));
      }
      if (next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};
