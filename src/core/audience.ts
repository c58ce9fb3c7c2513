import { type Static, Type } from "typebox";
import type { Audience, AudienceFilter, FilterValue } from "../model/broadcast.ts";
import {
  type ErrorDetail,
  escapePointer,
  invalidRequest,
  problemInText,
  shortPointer,
} from "../model/errors.ts";
import { idPattern, maxIdCharacters } from "../model/user-id.ts";
import type { UserDocument } from "../store/inbox.ts";
import { distinctUsers } from "./distinct-users.ts";

const mostUsers = 10_000;
const mostFields = 10;
const mostValues = 100;
const mostCharacters = 256;

const Id = Type.String({ minLength: 1, maxLength: maxIdCharacters, pattern: idPattern });

/** `to` of a broadcast. `readAudience` checks that it has one field, and what the filter contains. */
export const AudienceBody = Type.Object(
  {
    topic: Type.Optional(Type.String({ ...Id, description: "The subscribers of this topic." })),
    all: Type.Optional(Type.Boolean({ description: "`true`: every user." })),
    users: Type.Optional(
      Type.Array(Id, { maxItems: mostUsers, description: "These users, up to 10,000, each once." }),
    ),
    filter: Type.Optional(
      Type.Unsafe<Record<string, unknown>>(
        Type.Object(
          {},
          {
            additionalProperties: true,
            description:
              'Users whose documents have these values, such as `{"plan": "pro", "address.country": ["de", "at"]}`: a list means one of them. ' +
              "Fields of your own, `locale` and `time_zone`.",
          },
        ),
      ),
    ),
  },
  { additionalProperties: false, description: "One of topic, all, users and filter." },
);

/** Belfry's fields of a user's document that no filter may name. */
const ours: Record<Exclude<keyof UserDocument, "locale" | "timeZone">, true> = {
  _id: true,
  email: true,
  phone: true,
  webhook: true,
  suppressed: true,
  notificationPreferences: true,
  preferences_rev: true,
  rev: true,
  notifications: true,
  removedNotifications: true,
  removedBefore: true,
  replacedNotifications: true,
  seen_rev: true,
};
/** A field of the API under its stored name. */
const storedNames: Record<string, string> = { time_zone: "timeZone" };

/** The audience that a request names. Throws `invalid_request` with every problem, each with a pointer into `to`. */
export function readAudience(to: Static<typeof AudienceBody>): Audience {
  const given = Object.keys(to);
  if (given.length !== 1 || to.all === false)
    throw invalidRequest([
      { pointer: "/to", detail: "must have exactly one of topic, all: true, users and filter" },
    ]);
  if (to.topic !== undefined) return { topic: to.topic };
  if (to.users !== undefined) return { users: readUsers(to.users) };
  if (to.filter === undefined) return { all: true };
  const problems = filterProblems(to.filter);
  if (problems.length > 0) throw invalidRequest(problems);
  const fields = Object.entries(to.filter as AudienceFilter);
  return { filter: Object.fromEntries(fields.map(([name, value]) => [storedNames[name] ?? name, value])) };
}

function readUsers(users: string[]): string[] {
  return distinctUsers({ "to/users": users })["to/users"].sort();
}

function filterProblems(filter: Record<string, unknown>): ErrorDetail[] {
  const fields = Object.entries(filter);
  if (fields.length === 0 || fields.length > mostFields)
    return [
      { pointer: "/to/filter", detail: `must have 1 to ${mostFields} fields; \`all\` names every user` },
    ];
  return fields.flatMap(([name, value]) => {
    const pointer = shortPointer(`/to/filter/${escapePointer(name)}`);
    const detail = problemInName(name) ?? problemInValue(value);
    return detail === undefined ? [] : [{ pointer, detail }];
  });
}

function problemInName(name: string): string | undefined {
  const parts = name.split(".");
  if (name.length > mostCharacters || parts.length > 10) return "is too long for the name of a field";
  if (parts.some((part) => part.startsWith("$")))
    return "is an operator, and a filter takes only names of fields";
  if (parts.some((part) => !/^[^\p{Cc}\p{Cs}]+$/u.test(part) || part === "__proto__"))
    return "is not the name of a field";
  if (Object.hasOwn(ours, parts[0] as string))
    return "is a field of Belfry's own; filter by fields of your own, locale or time_zone";
  return undefined;
}

function problemInValue(value: unknown): string | undefined {
  const detail = `must be a text of up to ${mostCharacters} characters, a number, true or false, or a list of 1 to ${mostValues} of them`;
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return `${detail}; there are no operators`;
  const values = Array.isArray(value) ? value : [value];
  const isFine = values.length >= 1 && values.length <= mostValues && values.every(isFilterValue);
  return isFine ? undefined : detail;
}

const isFilterValue = (value: unknown): value is FilterValue =>
  typeof value === "boolean" ||
  (typeof value === "number" && Number.isFinite(value)) ||
  (typeof value === "string" && value.length <= mostCharacters && problemInText(value, "") === undefined);
