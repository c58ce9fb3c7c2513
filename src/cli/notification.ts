import { channelNames } from "../channels/index.ts";
import type { TypeRegistry } from "../core/notification-types.ts";
import { findInexactNumber } from "../model/exact-numbers.ts";
import type { NotifyCommand } from "../model/notification.ts";
import { type Given, required, suggestion, UsageError } from "./arguments.ts";

// What the commands that notify have in common.

const maxTitle = 1_000;
const maxBody = 16_384;
const ways = [...channelNames(), "inbox"];

export const notificationOptions = {
  type: { value: "<type>", description: "the notification type (`belfry types` lists them)" },
  title: { value: "<text>", description: "the title" },
  body: { value: "<text>", description: "the text" },
  data: { value: "<json>", description: "a JSON object for the templates of the type" },
  channel: { value: "<channel,…>", description: `${ways.join(", ")}; by default the channels of the type` },
};

/** The notification that the options give. */
export function notificationOf(given: Given): Omit<NotifyCommand, "user"> {
  const { title, body } = given.values;
  const type = required(given, "type");
  if ((title?.length ?? 0) > maxTitle)
    throw new UsageError(`--title must have at most ${maxTitle} characters`);
  if ((body?.length ?? 0) > maxBody) throw new UsageError(`--body must have at most ${maxBody} characters`);
  const data = dataOf(given.values.data);
  const wanted = given.values.channel?.split(",").map((one) => one.trim());
  const unknown = wanted?.find((one) => !ways.includes(one));
  if (unknown !== undefined) throw new UsageError(`--channel must name some of ${ways.join(", ")}`);
  return {
    type,
    ...(title !== undefined && { title }),
    ...(body !== undefined && { body }),
    ...(data && { data }),
    ...(wanted && { channels: [...new Set(wanted)] }),
  };
}

/** Throws `UsageError` for an unknown type, with the nearest known one. */
export function checkType(type: string, { get, keys }: Pick<TypeRegistry, "get" | "keys">): void {
  if (get(type)) return;
  throw new UsageError(
    `there is no type ${JSON.stringify(type)}${suggestion(type, keys)}\nThe types are ${keys.join(", ")}`,
  );
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
