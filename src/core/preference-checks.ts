import { isDeepStrictEqual } from "node:util";
import { channelNames } from "../channels/index.ts";
import {
  BelfryError,
  type ErrorDetail,
  escapePointer,
  invalidRequest,
  sentenceOf,
  shortPointer,
} from "../model/errors.ts";
import { didYouMean } from "../model/nearest.ts";
import { type Choices, ownOf, type Preferences } from "../model/preferences.ts";
import { coversTheWeek } from "../model/quiet-hours.ts";
import { isUserId } from "../model/user-id.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { categoryLock, lockOf } from "./preference-matrix.ts";

const mostTopics = 500;
const mostBytes = 32 * 1024;
/** More are not shown. */
const mostProblems = 20;

/**
 * Checks what `next` adds to the stored preferences. What is stored already may stay: types are renamed, categories
 * are locked, and a pause ends. Throws `invalid_request` with every problem, or `preference_locked`.
 */
export function checkChange(
  stored: Preferences,
  next: Preferences,
  registry: Pick<TypeRegistry, "keys" | "categories" | "get">,
  now: number,
): void {
  const problems: ErrorDetail[] = [];
  const locked: ErrorDetail[] = [];
  const tell = (path: Array<string | number>, detail: string, list = problems) => {
    const pointer = path.map((part) => `/${escapePointer(String(part))}`).join("");
    if (list.length < mostProblems) list.push({ pointer: shortPointer(pointer), detail });
  };

  checkChannels(["*"], stored["*"], next["*"]);
  for (const [key, choices] of added("categories")) {
    const category = registry.categories.get(key);
    const known = () => [...registry.categories.keys()];
    if (!category) tell(["categories", key], `is not a category${didYouMean(key, known())}`);
    else if (category.locked) tell(["categories", key], `cannot be changed: ${categoryLock(key)}`, locked);
    checkChannels(["categories", key], ownOf(stored.categories, key), choices);
  }
  for (const [key, choices] of added("types")) {
    const type = registry.get(key);
    const lock = type && lockOf(type);
    if (!type) tell(["types", key], `is not a notification type${didYouMean(key, registry.keys)}`);
    else if (lock !== undefined) tell(["types", key], `cannot be changed: ${lock}`, locked);
    checkChannels(["types", key], ownOf(stored.types, key), choices);
  }
  const topics = Object.keys(next.topics ?? {});
  if (topics.length > mostTopics)
    tell(["topics"], `has ${topics.length} topics; at most ${mostTopics} are allowed`);
  for (const topic of topics)
    if (ownOf(stored.topics, topic) === undefined && !isUserId(topic))
      tell(["topics", topic], "must be a text of 1 to 128 visible characters");
  const { muted_until: until } = next;
  if (until !== undefined && until !== stored.muted_until && Date.parse(until) <= now)
    tell(["muted_until"], "must be in the future; without it nothing is muted");
  if (!isDeepStrictEqual(next.quiet, stored.quiet)) checkQuiet();
  const bytes = Buffer.byteLength(JSON.stringify(next));
  if (bytes > mostBytes)
    tell([], `makes the preferences ${bytes} bytes of JSON; at most ${mostBytes} are allowed`);

  if (problems.length > 0) throw invalidRequest(problems);
  const [first] = locked;
  if (first) throw new BelfryError("preference_locked", sentenceOf(first), locked);

  function added(field: "categories" | "types"): Array<[string, Choices]> {
    const known = stored[field];
    return Object.entries(next[field] ?? {}).filter(
      ([key, one]) => problems.length < mostProblems && !isDeepStrictEqual(one, ownOf(known, key)),
    );
  }

  function checkChannels(path: string[], before: Choices | undefined, choices: Choices | undefined): void {
    if (typeof choices !== "object") return;
    const known = [...channelNames(), "inbox", "*"];
    for (const [channel, value] of Object.entries(choices)) {
      if (typeof before === "object" && ownOf(before, channel) === value) continue;
      if (!known.includes(channel)) tell([...path, channel], `is not a channel${didYouMean(channel, known)}`);
      else if (channel === "inbox" && typeof value !== "boolean")
        tell([...path, channel], "must be true or false: the inbox has no rhythm");
    }
  }

  function checkQuiet(): void {
    const quiet = next.quiet ?? [];
    const empty = quiet.findIndex(({ from, to }) => from === to);
    if (empty >= 0) tell(["quiet", empty, "to"], "must not be the same time as `from`");
    const silent = empty >= 0 ? [] : channelNames().filter((channel) => coversTheWeek(quiet, channel));
    if (silent.length > 0) tell(["quiet"], `leaves no minute of the week for ${silent.join(", ")}`);
  }
}
