import { channelNames } from "../channels/index.ts";
import type { Target } from "../core/notify.ts";
import type { SentLater } from "../core/send-later.ts";
import { findInexactNumber } from "../model/exact-numbers.ts";
import { iso } from "../model/schema.ts";
import { isUserId } from "../model/user-id.ts";
import { asUsage, type Given, required, suggestion, UsageError, userId } from "./arguments.ts";
import { openCore, withSession } from "./session.ts";
import { terminal, watched } from "./terminal.ts";

const maxTitle = 1_000;
const maxBody = 16_384;
const ways = [...channelNames(), "inbox"];

export const send = {
  usage: "send --user <id> --type <type>",
  description: "Notify a user",
  options: {
    user: { value: "<id>", description: "the user to notify" },
    type: { value: "<type>", description: "the notification type (`belfry types` lists them)" },
    title: { value: "<text>", description: "the title" },
    body: { value: "<text>", description: "the text" },
    data: { value: "<json>", description: "a JSON object for the templates of the type" },
    channel: { value: "<channel,…>", description: `${ways.join(", ")}; by default the channels of the type` },
    key: { value: "<key>", description: "your own name for it, for `belfry recall`" },
    replace: { description: "replace the user's newest notification with this key" },
    at: { value: "<time>", description: "send it then: ISO 8601 with its zone, or Unix milliseconds" },
    delay: { value: "<duration>", description: "send it so much later, such as 2h" },
    json: { description: "print JSON" },
  },
  examples: [
    "belfry send --user alex --type new_message --title 'Hello'",
    `belfry send --user alex --type new_login --data '{"device": "phone"}'`,
    "belfry send --user alex --type direct --channel inbox --body 'Hello'",
    "belfry send --user alex --type new_message --title 'Tomorrow' --delay 1d",
  ],
  async run(given: Given): Promise<void> {
    const { title, body } = given.values;
    const user = userId(required(given, "user"), "--user");
    const type = required(given, "type");
    if ((title?.length ?? 0) > maxTitle)
      throw new UsageError(`--title must have at most ${maxTitle} characters`);
    if ((body?.length ?? 0) > maxBody) throw new UsageError(`--body must have at most ${maxBody} characters`);
    const data = dataOf(given.values.data);
    const wanted = given.values.channel?.split(",").map((one) => one.trim());
    const { key } = given.values;
    if (key !== undefined && !isUserId(key))
      throw new UsageError("--key must have 1 to 128 characters, at least one of them visible");
    if (key === undefined && given.flags.has("replace")) throw new UsageError("--replace needs --key");
    const unknown = wanted?.find((one) => !ways.includes(one));
    if (unknown !== undefined) throw new UsageError(`--channel must name some of ${ways.join(", ")}`);

    await withSession(async (session) => {
      const { registry, notify, sendLater, sendTime } = await openCore(session);
      if (!registry.get(type))
        throw new UsageError(
          `there is no type ${JSON.stringify(type)}${suggestion(type, registry.keys)}\nThe types are ${registry.keys.join(", ")}`,
        );
      const notification = {
        type,
        ...(title !== undefined && { title }),
        ...(body !== undefined && { body }),
        ...(data && { data }),
        ...(wanted && { channels: [...new Set(wanted)] }),
        ...(key !== undefined && { key }),
        ...(given.flags.has("replace") && { replace: true }),
      };
      const written = { send_at: given.values.at, delay: given.values.delay };
      const due = asUsage(() => sendTime(written, { at: "--at", delay: "--delay" }));
      if (due !== undefined) {
        const later = sendLater({ notification, users: [user], due, written });
        return tellLater(await watched("storing", later), given);
      }
      const { id, replaced } = await watched("storing", notify({ ...notification, user }));
      if (given.flags.has("json")) terminal.print(JSON.stringify({ id, ...(replaced && { replaced }) }));
      else
        terminal.print(
          `${replaced ? "Replaced" : "Stored as"} notification ${id}. To see its deliveries: belfry deliveries --notification ${id}`,
        );
    });
  },
};

function tellLater({ job, due, past, targets }: SentLater, given: Given): void {
  const [{ id }] = targets as [Target];
  const when = past ? "The time is past, so it is sent at once" : `It is sent at ${iso(due)}`;
  const sentence = `${when}, by job ${job}, as notification ${id}. To stop it: belfry jobs ${job} --cancel`;
  const answer = { id, job: { id: job, due: iso(due), past } };
  terminal.print(given.flags.has("json") ? JSON.stringify(answer) : sentence);
}

function dataOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    // Reported below.
  }
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new UsageError(`--data must be a JSON object such as '{"device": "phone"}'`);
  const pointer = findInexactNumber(text);
  if (pointer !== undefined)
    throw new UsageError(`--data: ${pointer} is a number that would lose digits; send it as a string`);
  return data as Record<string, unknown>;
}
