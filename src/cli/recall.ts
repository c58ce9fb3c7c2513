import { createRecall, type RecallDto } from "../core/recall.ts";
import { type Given, UsageError, userId } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";

const words: Record<string, string> = {
  stopped: "stopped: it is not sent",
  withdrawn: "taken out of the inbox",
  in_flight: "being sent at this moment, and not tried again",
  too_late: "too late: it was sent",
  nothing: "it had ended without being sent",
};

export const recall = {
  usage: "recall <id> | --user <id> --key <key>",
  description: "Take a notification back: out of the inbox, and before it is sent",
  positional: { name: "id", optional: true },
  options: {
    user: { value: "<id>", description: "whose notification it is; without it all inboxes are searched" },
    key: {
      value: "<key>",
      description: "in place of the id: all of the user's that were sent with this key",
    },
    json: { description: "print JSON" },
  },
  examples: ["belfry recall 6b0b3671d4b78cf0104db2bb", "belfry recall --user alex --key order-1001"],
  async run({ positionals: [id], values, flags }: Given): Promise<void> {
    const { key } = values;
    if ((id === undefined) === (key === undefined)) throw new UsageError("give an id or --key, and not both");
    if (id !== undefined && !/^[0-9a-f]{24}$/i.test(id))
      throw new UsageError(`${JSON.stringify(id)} is not a notification's id, which has 24 hex characters`);
    if (key !== undefined && values.user === undefined) throw new UsageError("--key needs --user");
    const user = values.user === undefined ? undefined : userId(values.user, "--user");
    const request = { ...(id ? { id } : { key: key as string }), ...(user !== undefined && { user }) };
    await withSession(async ({ store }) => {
      await store.open();
      const answer = await watched("taking back", createRecall(store)(request));
      terminal.print(flags.has("json") ? JSON.stringify(answer) : told(answer));
    });
  },
};

function told({ users }: RecallDto): string {
  const rows = users.flatMap(({ user_id, receipts }) =>
    receipts.map(({ notification_id, channel, result, sent_at }) => [
      notification_id,
      channel,
      words[result] ?? result,
      sent_at === undefined ? "" : momentOf(Date.parse(sent_at)),
      safe(user_id),
    ]),
  );
  if (rows.length === 0) return "Nothing was found.";
  return table(["NOTIFICATION", "CHANNEL", "RESULT", "SENT", "USER"], rows, {
    whole: ["NOTIFICATION", "CHANNEL", "RESULT"],
  });
}
