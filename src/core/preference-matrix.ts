import { type Choice, choiceOf, type Preferences, rhythms } from "../model/preferences.ts";
import type { TypeRegistry } from "./notification-types.ts";
import type { PreferenceCell, PreferencesAnswer } from "./preference-schemas.ts";
import type { RegisteredType } from "./type-rules.ts";
import { directType } from "./types.ts";

type Registry = Pick<TypeRegistry, "keys" | "types" | "categories" | "get">;

/** Why a user cannot change what happens to a type; undefined when they can. */
export function lockOf({ key, mandatory, category, defaults }: RegisteredType): string | undefined {
  if (mandatory) return `type ${key} is mandatory`;
  return defaults?.locked ? categoryLock(category as string) : undefined;
}

export const categoryLock = (category: string): string => `category ${category} is locked`;

/** What follows from the choices for each category and type. Types without a category come last. */
export function matrixOf(preferences: Preferences, registry: Registry): PreferencesAnswer["categories"] {
  // A text that its caller sends on one channel is no kind of its own.
  const all = registry.keys
    .filter((key) => key !== directType)
    .map((key) => registry.get(key) as RegisteredType);
  const groups = [...registry.categories].map(([category, { label, locked = false, default: fallback }]) => {
    const own = all.filter((type) => type.category === category);
    const lock = locked ? categoryLock(category) : undefined;
    const channels = [...new Set(own.flatMap(channelsOf))];
    return {
      category,
      ...(label !== undefined && { label }),
      locked,
      cells: cellsOf(channels, (channel) => cellOf(preferences, { category, channel, fallback }, lock)),
      types: own.map(typeOf),
    };
  });
  const others = all.filter((type) => type.category === undefined);
  return [...groups, ...(others.length > 0 ? [{ locked: false, cells: {}, types: others.map(typeOf) }] : [])];

  function typeOf(type: RegisteredType) {
    const { key, mandatory, category, defaults } = type;
    const { description } = registry.types.get(key) ?? {};
    // The category's default does not apply to a mandatory type.
    const fallback = mandatory ? undefined : defaults?.default;
    const lock = lockOf(type);
    return {
      type: key,
      ...(description !== undefined && { description }),
      mandatory,
      cells: cellsOf(channelsOf(type), (channel) =>
        cellOf(preferences, { type: key, category, channel, fallback }, lock),
      ),
    };
  }
}

const channelsOf = ({ inbox, channels }: RegisteredType): string[] => [
  ...(inbox ? ["inbox"] : []),
  ...channels,
];

const cellsOf = (channels: string[], cell: (channel: string) => PreferenceCell) =>
  Object.fromEntries(channels.map((channel) => [channel, cell(channel)]));

function cellOf(
  preferences: Preferences,
  cell: Parameters<typeof choiceOf>[1],
  locked: string | undefined,
): PreferenceCell {
  const { value: choice, from } = choiceOf(locked === undefined ? preferences : {}, cell);
  const isInbox = cell.channel === "inbox";
  // The inbox keeps an item at once, whatever rhythm was chosen for all channels.
  const value: Choice = isInbox ? choice !== false : choice;
  if (locked !== undefined) return { value, from, locked, options: [value] };
  return { value, from, options: [true, false, ...(isInbox ? [] : rhythms)] };
}
