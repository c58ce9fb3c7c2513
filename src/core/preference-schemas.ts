import { type Static, type TSchema, Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import { inboxState } from "../model/inbox-dto.ts";
import { type Choice, days, type Preferences, rhythms, timeOfDay } from "../model/preferences.ts";
import { BudgetSchema } from "./types.ts";

// The form of preferences. `preference-checks.ts` checks the names of types, categories and channels.

/** A JSON merge patch: null removes a value. */
export type PreferencesPatch = OrNull<Preferences>;
type OrNull<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Key in keyof Value]: OrNull<Value[Key]> | null }
    : Value;

const QuietPeriod = Type.Object(
  {
    days: Type.Optional(
      Type.Array(Type.String({ enum: [...days] }), {
        minItems: 1,
        uniqueItems: true,
        description: "The days on which it starts; every day by default.",
      }),
    ),
    from: Type.String({ pattern: timeOfDay, description: "HH:MM." }),
    to: Type.String({ pattern: timeOfDay, description: "HH:MM. Before `from`: on the next day." }),
    channels: Type.Optional(
      Type.Array(Type.String({ enum: channelNames() }), {
        minItems: 1,
        uniqueItems: true,
        description: "All outbound channels by default.",
      }),
    ),
  },
  { additionalProperties: false },
);

const choice = [Type.Boolean(), Type.String({ enum: [...rhythms] })];

/** `nulls`: what each value may be instead. */
function formOf(nulls: TSchema[], options: { title?: string } = {}) {
  const any = (schemas: TSchema[], description?: string) => {
    const all = [...schemas, ...nulls];
    return Type.Optional(
      Type.Unsafe({ ...(all.length > 1 ? { anyOf: all } : all[0]), ...(description && { description }) }),
    );
  };
  const byName = (...schemas: TSchema[]) =>
    Type.Unsafe({ type: "object", additionalProperties: any(schemas) });
  const choices = [...choice, byName(...choice)];
  return Type.Object(
    {
      "*": any(choices, "Everything."),
      categories: any([byName(...choices)], "By category."),
      types: any([byName(...choices)], "By notification type; these go before the category's."),
      topics: any([byName(Type.Boolean())], "By topic: false mutes it. At most 500."),
      muted_until: any(
        [Type.String({ maxLength: 64 })],
        "ISO 8601, in the future. Nothing is sent before; the inbox still gets its items.",
      ),
      quiet: any(
        [Type.Array(QuietPeriod, { maxItems: 20 })],
        "When messages wait, in the user's time zone. Replaced as a whole.",
      ),
      budget: any(
        [
          Type.Unsafe({
            type: "object",
            properties: Object.fromEntries(channelNames().map((name) => [name, any([BudgetSchema])])),
            additionalProperties: false,
          }),
        ],
        "By channel: how many messages a day, and when the digest of the others is sent.",
      ),
    },
    { ...options, additionalProperties: false },
  );
}

export const PreferencesBody = Type.Unsafe<Preferences>(formOf([]));
export const PreferencesPatchBody = Type.Unsafe<PreferencesPatch>(
  formOf([Type.Null()], { title: "PreferencesPatch" }),
);

const Value = Type.Unsafe<Choice>(Type.Union(choice));
const Cell = Type.Object(
  {
    value: Value,
    from: Type.String({
      description:
        "The choice that decides, as a path into `preferences`, such as `types.comment.email`; or `default`.",
    }),
    locked: Type.Optional(Type.String({ description: "Why the user cannot change it." })),
    options: Type.Array(Value, { description: "The choices that the user has here." }),
  },
  { title: "PreferenceCell" },
);
const Cells = Type.Unsafe<Record<string, Static<typeof Cell>>>({
  type: "object",
  additionalProperties: Cell,
  description: "By channel, and `inbox`.",
});

/** The choices, and what follows from them for each category and type. */
export const PreferencesAnswer = Type.Object(
  {
    preferences: Type.Unsafe<Preferences>(formOf([], { title: "Preferences" })),
    preferences_rev: inboxState.preferences_rev,
    time_zone: Type.String({ description: "The zone of the quiet hours: the user's, else the service's." }),
    categories: Type.Array(
      Type.Object({
        category: Type.Optional(Type.String({ description: "Absent for types without a category." })),
        label: Type.Optional(
          Type.Unsafe<string | Record<string, string>>({
            anyOf: [{ type: "string" }, { type: "object", additionalProperties: { type: "string" } }],
            description: "One text, or one by language tag.",
          }),
        ),
        locked: Type.Boolean(),
        cells: Cells,
        types: Type.Array(
          Type.Object({
            type: Type.String(),
            description: Type.Optional(Type.String()),
            mandatory: Type.Boolean(),
            cells: Cells,
          }),
        ),
      }),
    ),
  },
  { title: "PreferencesAnswer" },
);
export type PreferencesAnswer = Static<typeof PreferencesAnswer>;
export type PreferenceCell = Static<typeof Cell>;
