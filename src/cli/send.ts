import type { Target } from "../core/notify.ts";
import type { SentLater } from "../core/send-later.ts";
import { iso } from "../model/schema.ts";
import { isUserId } from "../model/user-id.ts";
import { asUsage, type Given, required, UsageError, userId } from "./arguments.ts";
import { checkType, notificationOf, notificationOptions } from "./notification.ts";
import { openCore, withSession } from "./session.ts";
import { terminal, watched } from "./terminal.ts";

export const send = {
  usage: "send --user <id> --type <type>",
  description: "Notify a user",
  options: {
    user: { value: "<id>", description: "the user to notify" },
    ...notificationOptions,
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
    const user = userId(required(given, "user"), "--user");
    const { key } = given.values;
    if (key !== undefined && !isUserId(key))
      throw new UsageError("--key must have 1 to 128 characters, at least one of them visible");
    if (key === undefined && given.flags.has("replace")) throw new UsageError("--replace needs --key");
    const notification = {
      ...notificationOf(given),
      ...(key !== undefined && { key }),
      ...(given.flags.has("replace") && { replace: true }),
    };

    await withSession(async (session) => {
      const { registry, notify, sendLater, sendTime } = await openCore(session);
      checkType(notification.type, registry);
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
