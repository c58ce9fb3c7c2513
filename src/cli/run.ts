import { ConfigError } from "../config/load.ts";
import { BelfryError } from "../model/errors.ts";
import { version } from "../version.ts";
import { type Command, readArguments, suggestion, UsageError } from "./arguments.ts";
import { broadcast } from "./broadcast.ts";
import { deliveries, retry, show } from "./deliveries.ts";
import { digests, release } from "./digests.ts";
import { doctor } from "./doctor.ts";
import { helpOf, overview } from "./help.ts";
import { inbox } from "./inbox.ts";
import { jobs } from "./jobs.ts";
import { ledger } from "./ledger.ts";
import { preferences } from "./preferences.ts";
import { recall } from "./recall.ts";
import { redrive } from "./redrive.ts";
import {
  schedules,
  schedulesDelete,
  schedulesPause,
  schedulesPut,
  schedulesResume,
  schedulesShow,
} from "./schedules.ts";
import { send } from "./send.ts";
import { CommandError } from "./session.ts";
import { shard } from "./shard.ts";
import { simulate } from "./simulate.ts";
import { start } from "./start.ts";
import { suppressions } from "./suppressions.ts";
import { terminal } from "./terminal.ts";
import { token } from "./token.ts";
import {
  topics,
  topicsDelete,
  topicsPut,
  topicsShow,
  topicsSubscribe,
  topicsSubscribers,
  topicsUnsubscribe,
} from "./topics.ts";
import { types } from "./types.ts";
import { typesCheck } from "./types-check.ts";
import { typesGenerate } from "./types-generate.ts";
import { users } from "./users.ts";
import { why } from "./why.ts";

const groups: Record<string, Record<string, Command>> = {
  Service: { start, doctor, shard },
  Notify: { send, broadcast, recall, simulate },
  Look: { users, inbox, preferences, types, deliveries, show, why, digests, suppressions, ledger },
  Develop: { "types check": typesCheck, "types generate": typesGenerate },
  Repeat: {
    schedules,
    "schedules show": schedulesShow,
    "schedules put": schedulesPut,
    "schedules pause": schedulesPause,
    "schedules resume": schedulesResume,
    "schedules delete": schedulesDelete,
  },
  Topics: {
    topics,
    "topics show": topicsShow,
    "topics put": topicsPut,
    "topics delete": topicsDelete,
    "topics subscribers": topicsSubscribers,
    "topics subscribe": topicsSubscribe,
    "topics unsubscribe": topicsUnsubscribe,
  },
  Act: { retry, redrive, release, jobs, token },
};
const commands: Record<string, Command> = Object.assign({}, ...Object.values(groups));
const helpWords = ["help", "--help", "-h"];

/** Runs one command line. Returns the exit code: 0 done, 1 something is wrong, 2 the command line is wrong. */
export async function run(words: string[]): Promise<number> {
  const name = nameIn(words);
  const args = words.slice(name.split(" ").length);
  let help = "belfry help";
  try {
    if (helpWords.includes(name))
      return print(args[0] === undefined ? allHelp() : helpOf(commandOf(nameIn(args))));
    if (name === "--version") return print(version);
    const command = commandOf(name);
    help = `belfry ${name} --help`;
    if (args.includes("--help") || args.includes("-h")) return print(helpOf(command));
    await command.run(readArguments(args, command.options, command.positional));
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof UsageError) terminal.note(`belfry: ${error.message}\nSee \`${help}\`.`);
    else if (error instanceof CommandError || error instanceof ConfigError || error instanceof BelfryError)
      terminal.note(error.message);
    else throw error;
    return error instanceof UsageError ? 2 : 1;
  }
}

/** The command that the words begin with. Some have two: `types check`. */
function nameIn([first = "help", second]: string[]): string {
  const both = `${first} ${second}`;
  return Object.hasOwn(commands, both) ? both : first;
}

function commandOf(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command;
  throw new UsageError(`unknown command ${name}${suggestion(name, [...Object.keys(commands), "help"])}`);
}

const allHelp = () =>
  overview(Object.fromEntries(Object.entries(groups).map(([title, group]) => [title, Object.values(group)])));

function print(text: string): number {
  terminal.print(text);
  return 0;
}
