import { mergePatch } from "../model/merge-patch.ts";
import { type Category, type Choice, choiceOf, ownOf, type Preferences } from "../model/preferences.ts";
import { inWords } from "./in-words.ts";
import { isOptional, type LinkToken, type Scope } from "./links.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { type PreferenceService, withChoice } from "./preferences.ts";
import type { RegisteredType } from "./type-rules.ts";

type UnsubscribeLink = Extract<LinkToken, { purpose: "unsubscribe" }>;

/** The e-mails of a link. */
export interface Subscription {
  /** For people: one text, or one by language tag. */
  label: NonNullable<Category["label"]>;
  /** False: no e-mail of the kind is sent. */
  value: Choice;
  /** The user cannot turn them off any more. */
  locked: boolean;
  /** The user's own. */
  locale?: string | undefined;
}

/** Turns the e-mails of a link off, and on again. Undefined for a user who is unknown or was erased. */
export function createUnsubscribe(
  registry: Pick<TypeRegistry, "keys" | "get" | "types" | "categories">,
  preferences: Pick<PreferenceService, "showKnown" | "changeKnown">,
) {
  /** The types of the kind; a type that is gone sends nothing. */
  function typesOf({ kind, key }: Scope) {
    const all = registry.keys.map((one) => registry.get(one) as RegisteredType);
    const own = all.filter((type) => (kind === "types" ? type.key === key : type.category === key));
    return { types: own.filter(isOptional), locked: own.length > 0 && !own.some(isOptional) };
  }
  const labelOf = ({ kind, key }: Scope) =>
    (kind === "categories" ? registry.categories.get(key)?.label : registry.types.get(key)?.description) ??
    inWords(key);

  async function show({ user, scope }: UnsubscribeLink): Promise<Subscription | undefined> {
    const found = await preferences.showKnown(user);
    if (!found) return undefined;
    const { types, locked } = typesOf(scope);
    const value = emailChoice(found.preferences, types);
    return { label: labelOf(scope), value, locked, locale: found.locale };
  }

  return {
    show,
    /** Sets the choice, and returns what was before. Rejects as a change of preferences does. */
    async choose(link: UnsubscribeLink, value: Choice): Promise<Subscription | undefined> {
      const { user, scope } = link;
      const { types } = typesOf(scope);
      if (types.length === 0) return show(link);
      let before: Choice = false;
      const found = await preferences.changeKnown(user, (stored) => {
        before = emailChoice(stored, types);
        return before === false && value === false ? stored : chosen(stored, scope, types, value);
      });
      return found && { label: labelOf(scope), value: before, locked: false, locale: found.locale };
    },
  };
}

/** On when any of the types is. */
function emailChoice(preferences: Preferences, types: RegisteredType[]): Choice {
  const values = types.map(
    ({ key, category, defaults }) =>
      choiceOf(preferences, { type: key, category, channel: "email", fallback: defaults?.default }).value,
  );
  return values.find((value) => value !== false) ?? false;
}

/**
 * The preferences with this choice for the e-mails of these types. More specific choices that contradict it go: those of
 * single types, and topics that are on.
 */
function chosen(stored: Preferences, { kind, key }: Scope, types: RegisteredType[], value: Choice): unknown {
  const next = withChoice(stored, { kind, key, channel: "email", value }) as Preferences;
  const isOff = value === false;
  const contrary = types.filter((type) => {
    const own = ownOf(next.types, type.key);
    const email = typeof own === "object" ? own.email : undefined;
    return email !== undefined && (email === false) !== isOff;
  });
  const isDone = (emailChoice(next, types) === false) === isOff;
  const topics = Object.entries(stored.topics ?? {}).filter(([, on]) => on && isOff);
  return mergePatch(next, {
    types: Object.fromEntries(isDone ? [] : contrary.map((type) => [type.key, { email: null }])),
    topics: Object.fromEntries(topics.map(([topic]) => [topic, null])),
  });
}
