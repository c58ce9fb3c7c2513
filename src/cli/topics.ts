import { readText } from "../config/read-text.ts";
import { distinctUsers } from "../core/distinct-users.ts";
import { subscriberDto, topicDetailsDto, topicDto } from "../core/topic-dto.ts";
import { createTopics, type Topics } from "../core/topics.ts";
import { isUserId } from "../model/user-id.ts";
import { type Command, type Given, integer, UsageError, userId } from "./arguments.ts";
import { agreed } from "./confirm.ts";
import { CommandError, withSession } from "./session.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";

const asJson = { json: { description: "print JSON" } };
const key = { positional: { name: "key" } };
/** As in one request of the API. */
const together = 1_000;

export const topics: Command = {
  usage: "topics",
  description: "List topics",
  options: {
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    json: { description: "print JSON, one topic per line" },
  },
  examples: ["belfry topics"],
  async run(given) {
    const limit = integer(given, "limit", 1, 10_000, 100);
    await withTopics(async ({ list }) => {
      const { data, next } = await watched("reading", list(limit));
      const found = data.map(topicDto);
      if (given.flags.has("json")) for (const one of found) terminal.print(JSON.stringify(one));
      else if (found.length === 0) terminal.print("There are no topics.");
      else {
        const rows = found.map((one) => [safe(one.key), safe(one.title ?? ""), one.open ? "yes" : "no"]);
        terminal.print(table(["KEY", "TITLE", "OPEN"], rows, { whole: ["KEY", "OPEN"] }));
      }
      if (next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

export const topicsShow: Command = {
  usage: "topics show <key>",
  description: "Show a topic with the number of its subscribers",
  ...key,
  options: asJson,
  examples: ["belfry topics show post:7"],
  run: (given) =>
    withTopics(async ({ show }) => {
      const shown = topicDetailsDto(await watched("counting", show(keyOf(given))));
      if (given.flags.has("json")) return terminal.print(JSON.stringify(shown));
      const title = shown.title === undefined ? "" : ` (${safe(shown.title)})`;
      const who = shown.open
        ? "Users may subscribe themselves"
        : "Only programs with an API key subscribe users";
      terminal.print(`${safe(shown.key)}${title}: ${counted(shown.subscribers, "subscriber")}. ${who}.`);
    }),
};

export const topicsPut: Command = {
  usage: "topics put <key>",
  description: "Create a topic, or replace its title and openness",
  ...key,
  options: {
    title: { value: "<text>", description: "its name for people" },
    open: { description: "users may subscribe and unsubscribe themselves" },
    ...asJson,
  },
  examples: ["belfry topics put post:7 --title 'Post 7' --open"],
  async run(given) {
    const name = keyOf(given);
    const { title } = given.values;
    if (title !== undefined && title.length > 200) throw new UsageError("--title has over 200 characters");
    await withTopics(async ({ put }) => {
      const written = { open: given.flags.has("open"), ...(title !== undefined && { title }) };
      const { topic, created } = await watched("storing", put(name, written));
      if (given.flags.has("json")) return terminal.print(JSON.stringify(topicDto(topic)));
      terminal.print(`The topic ${safe(name)} is ${created ? "created" : "replaced"}.`);
    });
  },
};

export const topicsDelete: Command = {
  usage: "topics delete <key>",
  description: "Delete a topic and its subscriptions",
  ...key,
  options: { yes: { description: "do not ask for confirmation" } },
  examples: ["belfry topics delete post:7"],
  async run(given) {
    const name = keyOf(given);
    await withTopics(async ({ show, remove }) => {
      const { subscribers } = await watched("counting", show(name));
      if (!(await agreed(given, `Delete ${safe(name)} with ${counted(subscribers, "subscription")}?`)))
        return terminal.print("Nothing was deleted.");
      await watched("deleting", remove(name));
      terminal.print(`The topic ${safe(name)} is deleted.`);
    });
  },
};

export const topicsSubscribers: Command = {
  usage: "topics subscribers <key>",
  description: "List a topic's subscribers",
  ...key,
  options: {
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    json: { description: "print JSON, one subscriber per line" },
  },
  examples: ["belfry topics subscribers post:7"],
  async run(given) {
    const limit = integer(given, "limit", 1, 10_000, 100);
    await withTopics(async ({ subscribers }) => {
      const { data, next } = await watched("reading", subscribers(keyOf(given), limit));
      if (given.flags.has("json")) for (const one of data) terminal.print(JSON.stringify(subscriberDto(one)));
      else if (data.length === 0) terminal.print("It has no subscribers.");
      else
        terminal.print(
          table(
            ["USER", "SINCE"],
            data.map(({ user, at }) => [safe(user), momentOf(at)]),
          ),
        );
      if (next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

export const topicsSubscribe = changing(
  "subscribe",
  "Subscribe users to a topic",
  ({ change }, name, users) => change(name, users, []),
);
export const topicsUnsubscribe = changing(
  "unsubscribe",
  "Unsubscribe users from a topic",
  ({ change }, name, users) => change(name, [], users),
);

function changing(
  name: "subscribe" | "unsubscribe",
  description: string,
  change: (all: Topics, key: string, users: string[]) => Promise<{ added: number; removed: number }>,
): Command {
  return {
    usage: `topics ${name} <key>`,
    description,
    ...key,
    options: {
      users: { value: "<id,…>", description: "these users" },
      file: { value: "<file>", description: "the users in this file, one id per line" },
      ...asJson,
    },
    examples: [`belfry topics ${name} post:7 --users alex,maria`],
    async run(given) {
      const topic = keyOf(given);
      const users = usersIn(given);
      const sum = { added: 0, removed: 0 };
      await withTopics(async (all) => {
        for (let at = 0; at < users.length; at += together) {
          const done = await watched(
            `changing ${at} of ${users.length}`,
            change(all, topic, users.slice(at, at + together)),
          );
          sum.added += done.added;
          sum.removed += done.removed;
        }
      });
      if (given.flags.has("json")) return terminal.print(JSON.stringify(sum));
      const changed = name === "subscribe" ? sum.added : sum.removed;
      const rest = users.length - changed;
      const already = name === "subscribe" ? "had subscribed before" : "had not subscribed";
      terminal.print(
        `${counted(changed, "user")} ${name}d.${rest > 0 ? ` ${counted(rest, "user")} ${already}.` : ""}`,
      );
    },
  };
}

function usersIn(given: Given): string[] {
  const { users, file } = given.values;
  if ((users === undefined) === (file === undefined)) throw new UsageError("give one of --users and --file");
  const named =
    file === undefined
      ? (users as string).split(",").map((one) => userId(one.trim(), "--users"))
      : fileOf(file).map(({ id, line }) => userId(id, `line ${line} of ${file}`));
  const list = distinctUsers({ users: named }).users;
  if (list.length === 0) throw new UsageError(`the file ${file} names no users`);
  return list;
}

function fileOf(file: string): Array<{ id: string; line: number }> {
  try {
    return readText(file)
      .split(/\r?\n/)
      .flatMap((line, at) => (line.trim() === "" ? [] : [{ id: line.trim(), line: at + 1 }]));
  } catch (error) {
    throw new CommandError(`The file ${file} ${(error as Error).message}.`);
  }
}

function keyOf({ positionals }: Given): string {
  const name = positionals[0] as string;
  if (!isUserId(name))
    throw new UsageError("<key> must have 1 to 128 characters, at least one of them visible");
  return name;
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

const withTopics = (work: (all: Topics) => Promise<void>): Promise<void> =>
  withSession(({ store }) => work(createTopics(store)));
