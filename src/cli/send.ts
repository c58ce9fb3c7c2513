import { type Channel, channels } from "../model/notification.ts";
import { canonicalUser } from "../model/user-id.ts";
import { type Given, suggestion, UsageError } from "./arguments.ts";
import { openNotifier, withBooks } from "./open.ts";
import { terminal, watched } from "./terminal.ts";

const maxTitle = 1_000;
const maxBody = 16_384;
const ways = [...channels, "inbox"] as const;

export const send = {
  usage: "send --user <id> --type <type>",
  says: "Notify a user",
  options: {
    user: { value: "<id>", says: "whom" },
    type: { value: "<type>", says: "a notification type" },
    title: { value: "<text>", says: "its title" },
    body: { value: "<text>", says: "its text" },
    data: { value: "<json>", says: "an object for the type's templates" },
    channel: { value: "<channel,…>", says: `${ways.join(", ")}, instead of the type's own` },
    json: { says: "as JSON" },
  },
  async run(given: Given): Promise<void> {
    const { user, type, title, body } = given.values;
    if (user === undefined || user.length > 128) throw new UsageError("--user wants 1 to 128 characters");
    if (type === undefined) throw new UsageError("--type is missing");
    if ((title?.length ?? 0) > maxTitle)
      throw new UsageError(`--title must have at most ${maxTitle} characters`);
    if ((body?.length ?? 0) > maxBody) throw new UsageError(`--body must have at most ${maxBody} characters`);
    const data = dataOf(given.values.data);
    const wanted = given.values.channel?.split(",").map((one) => one.trim());
    const unknown = wanted?.find((one) => !ways.includes(one as Channel));
    if (unknown !== undefined) throw new UsageError(`--channel must be some of ${ways.join(", ")}`);

    await withBooks(async (books) => {
      const { catalog, notify } = await openNotifier(books);
      if (!catalog.get(type))
        throw new UsageError(
          `there is no type ${JSON.stringify(type)}${suggestion(type, catalog.keys)}\nKnown: ${catalog.keys.join(", ")}`,
        );
      const stored = notify({
        user: canonicalUser(user),
        type,
        ...(title !== undefined && { title }),
        ...(body !== undefined && { body }),
        ...(data && { data }),
        ...(wanted && { channels: [...new Set(wanted)] as Array<Channel | "inbox"> }),
      });
      const { id } = await watched("storing", stored);
      if (given.flags.has("json")) terminal.print(JSON.stringify({ id }));
      else
        terminal.print(
          `Stored as notification ${id}; \`belfry deliveries --notification ${id}\` follows it.`,
        );
    });
  },
};

function dataOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data === "object" && data !== null && !Array.isArray(data))
      return data as Record<string, unknown>;
  } catch {
    // The same sentence says it.
  }
  throw new UsageError(`--data must be a JSON object such as '{"device": "phone"}'`);
}
