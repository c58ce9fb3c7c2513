import { createExplain } from "../core/explain.ts";
import { type Given, UsageError, userId } from "./arguments.ts";
import { withSession } from "./session.ts";
import { columnsOf, safe, terminal, watched, wrapped } from "./terminal.ts";

export const why = {
  usage: "why <id>",
  description: "Explain a notification or a delivery: what became of it, and by which rule",
  positional: { name: "id" },
  options: {
    user: { value: "<id>", description: "whose notification it is; without it all inboxes are searched" },
    json: { description: "print JSON" },
  },
  examples: ["belfry why 6b0b3671d4b78cf0104db2bb", "belfry why 6b0b3671d4b78cf0104db2bb --user alex"],
  async run({ positionals: [written = ""], values, flags }: Given): Promise<void> {
    if (!/^[0-9a-f]{24}$/i.test(written))
      throw new UsageError(`${JSON.stringify(written)} is not an id, which has 24 hex characters`);
    const id = written.toLowerCase();
    await withSession(async ({ store }) => {
      const user = values.user === undefined ? undefined : userId(values.user, "--user");
      const delivery = await watched("searching", store.deliveries.one(id));
      const explain = createExplain(store);
      const story = await watched("reading", explain(delivery?.notification ?? id, user ?? delivery?.user));
      if (flags.has("json")) return terminal.print(JSON.stringify(story));
      terminal.print(`Notification ${story.id}, ${safe(story.type)}, to ${safe(story.user_id)}`);
      const width = Math.max(...story.events.map(({ channel = "" }) => channel.length));
      for (const { at, channel = "", text } of story.events) {
        const head = `${at}  ${channel.padEnd(width)}  `;
        const lines = wrapped(safe(text), Math.max(20, columnsOf() - head.length));
        terminal.print(head + lines.join(`\n${" ".repeat(head.length)}`));
      }
    });
  },
};
