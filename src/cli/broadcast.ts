import { setTimeout as sleep } from "node:timers/promises";
import type { Static } from "typebox";
import type { AudienceBody } from "../core/audience.ts";
import { type BroadcastDto, type BroadcastPreviewDto, broadcastDto } from "../core/broadcast-dto.ts";
import type { BroadcastRequest } from "../core/broadcasts.ts";
import { type Given, UsageError, userId } from "./arguments.ts";
import { agreed } from "./confirm.ts";
import { checkType, notificationOf, notificationOptions } from "./notification.ts";
import { CommandError, openCore, withSession } from "./session.ts";
import { progressBar, safe, terminal, watched } from "./terminal.ts";

const pollMs = 500;

const audienceOptions = {
  topic: { value: "<key>", description: "to the subscribers of this topic" },
  all: { description: "to every user" },
  users: { value: "<id,…>", description: "to these users" },
  filter: {
    value: "<field=value,…>",
    description:
      'to users whose documents have these values, such as plan=pro,country=de; or JSON such as {"seats": [5, 10]}',
  },
};

export const broadcast = {
  usage: "broadcast [id | options]",
  description: "Notify a topic, all users or some of them, and follow the progress; or follow one by its id",
  positional: { name: "id", optional: true },
  options: {
    ...notificationOptions,
    ...audienceOptions,
    actor: { value: "<id>", description: "a user who is left out" },
    key: { value: "<key>", description: "a name: the same key never begins a second broadcast" },
    "dry-run": {
      description: "show how many users there are and what the first 20 would get, and store nothing",
    },
    detach: { description: "do not wait for the end" },
    yes: { description: "do not ask for confirmation" },
    json: { description: "print JSON" },
  },
  examples: [
    "belfry broadcast --type new_post --topic status --title 'All well' --dry-run",
    "belfry broadcast --type new_post --filter plan=pro,country=de --title Prices",
    "belfry broadcast --type new_post --all --title 'Maintenance on Sunday' --yes",
  ],
  async run(given: Given): Promise<void> {
    const [id] = given.positionals;
    if (id !== undefined) return followById(id, given);
    const { actor, key } = given.values;
    const request: BroadcastRequest = {
      notification: notificationOf(given),
      to: audienceOf(given),
      ...(actor !== undefined && { actor: userId(actor, "--actor") }),
      ...(key !== undefined && { key }),
    };
    const asJson = given.flags.has("json");
    await withSession(async (session) => {
      const { broadcasts, registry } = await openCore(session);
      checkType(request.notification.type, registry);
      const preview = await watched("counting", broadcasts.preview(request));
      if (given.flags.has("dry-run"))
        return terminal.print(asJson ? JSON.stringify(preview) : previewText(preview));
      if (!asJson) terminal.note(`${preview.total ?? "an unknown number of"} users`);
      if (!(await agreed(given, `Notify ${preview.total ?? "all of"} them?`)))
        return terminal.print(asJson ? JSON.stringify({ notified: 0 }) : "Nothing was sent.");
      const { broadcast: stored } = await watched("storing", broadcasts.create(request));
      if (!asJson) terminal.note(`broadcast ${stored.id}`);
      if (given.flags.has("detach")) return tell(broadcastDto(stored), given);
      tell(await follow(async () => broadcastDto(await broadcasts.show(stored.id))), given);
    });
  },
};

async function followById(id: string, given: Given): Promise<void> {
  if (!/^[0-9a-f]{24}$/i.test(id)) throw new UsageError("<id> must be 24 hex characters");
  await withSession(async (session) => {
    const { broadcasts } = await openCore(session);
    tell(await follow(async () => broadcastDto(await broadcasts.show(id.toLowerCase()))), given);
  });
}

function tell(found: BroadcastDto, given: Given): void {
  terminal.print(given.flags.has("json") ? JSON.stringify(found) : summaryOf(found));
  if (found.status === "failed") throw new CommandError(found.message ?? "The broadcast failed.");
}

/** Shows the progress until the broadcast stops. Ctrl-C leaves it running. */
async function follow(read: () => Promise<BroadcastDto>): Promise<BroadcastDto> {
  let found = await read();
  const bar = progressBar("notifying", found.total ?? 0);
  while (found.status === "scheduled" || found.status === "running") {
    bar.show(found.notified + found.failed, speedOf(found));
    await sleep(pollMs);
    found = await read();
  }
  bar.end();
  return found;
}

function speedOf({ rate, ends_at }: BroadcastDto): string {
  const left = ends_at === undefined ? undefined : Math.max(0, Date.parse(ends_at) - Date.now());
  return [
    ...(rate === undefined ? [] : [`${rate}/s`]),
    ...(left === undefined ? [] : [`${Math.ceil(left / 1_000)} s left`]),
  ].join(", ");
}

/** A broadcast in a line. */
function summaryOf({ id, status, notified, failed, message }: BroadcastDto): string {
  const counts = `${notified} notified${failed > 0 ? `, ${failed} not` : ""}`;
  const next: Partial<Record<BroadcastDto["status"], string>> = {
    scheduled: ` The service sends it. To follow it: belfry broadcast ${id}`,
    running: ` The service sends it. To follow it: belfry broadcast ${id}`,
    paused: ` To go on: belfry jobs ${id} --resume`,
  };
  return `${status}: ${counts}.${message === undefined ? "" : ` ${safe(message)}`}${next[status] ?? ""}`;
}

function previewText({ total, notifications }: BroadcastPreviewDto): string {
  const lines = notifications.map(({ user_id, channels }) => `  ${safe(user_id)}: ${outcomes(channels)}`);
  const many = total === undefined ? "An unknown number of" : total;
  return [`${many} users would be notified.${lines.length > 0 ? " The first of them:" : ""}`, ...lines].join(
    "\n",
  );
}

const outcomes = (channels: BroadcastPreviewDto["notifications"][number]["channels"]): string =>
  channels
    .map(({ channel, verdict, text }) =>
      verdict === "skip" ? `no ${channel} (${safe(text ?? "a rule says so")})` : channel,
    )
    .join(", ") || "nothing";

/** Exactly one of the audience's options. */
function audienceOf(given: Given): Static<typeof AudienceBody> {
  const { topic, users, filter } = given.values;
  const named =
    [topic, users, filter].filter((one) => one !== undefined).length + (given.flags.has("all") ? 1 : 0);
  if (named !== 1) throw new UsageError("give exactly one of --topic, --all, --users and --filter");
  if (topic !== undefined) return { topic };
  if (users !== undefined) return { users: users.split(",").map((one) => userId(one.trim(), "--users")) };
  return filter === undefined ? { all: true } : { filter: filterOf(filter) };
}

function filterOf(text: string): Record<string, unknown> {
  if (!text.trimStart().startsWith("{"))
    return Object.fromEntries(
      text.split(",").map((part) => {
        const at = part.indexOf("=");
        if (at < 1)
          throw new UsageError("--filter must be field=value, with commas between them, or a JSON object");
        return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
      }),
    );
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError("--filter is not valid JSON");
  }
}
