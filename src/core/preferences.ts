import { BelfryError, invalidRequest } from "../model/errors.ts";
import { mergePatch, withoutEmpty } from "../model/merge-patch.ts";
import { type Choice, ownOf, type Preferences } from "../model/preferences.ts";
import { iso } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import type { StoredPreferences } from "../store/preferences.ts";
import { isoTime } from "./filters.ts";
import type { Scope } from "./links.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { checkChange } from "./preference-checks.ts";
import { matrixOf } from "./preference-matrix.ts";
import type { PreferencesAnswer, PreferencesPatch } from "./preference-schemas.ts";

export interface PreferencesOptions {
  /** The time zone of users who have none. */
  timeZone: string;
  /** Called with the user after each change. */
  changed: (user: string) => void;
}

/** The answer, and the user's locale. */
export type KnownPreferences = PreferencesAnswer & { locale?: string | undefined };

/**
 * A user's preferences. A user who does not exist has none, and the first change creates the user. A change of nothing
 * has no effect, not even on `rev`. Rejects with `invalid_request`, `preference_locked`, `user_document_conflict`,
 * `overloaded` or `database_unavailable`.
 */
export function createPreferences(
  { preferences: store, now }: Pick<Store, "preferences" | "now">,
  registry: TypeRegistry,
  { timeZone, changed }: PreferencesOptions,
) {
  const answer = ({ preferences, rev, timeZone: own }: StoredPreferences): PreferencesAnswer => ({
    preferences,
    ...(rev > 0 && { preferences_rev: rev }),
    time_zone: own ?? timeZone,
    categories: matrixOf(preferences, registry),
  });

  const knownAnswer = (found: StoredPreferences): KnownPreferences => ({
    ...answer(found),
    locale: found.locale,
  });

  async function change(
    user: string,
    next: (stored: Preferences) => unknown,
    onlyKnown = false,
  ): Promise<StoredPreferences> {
    let isWritten = false;
    const checked = (stored: Preferences) => {
      const preferences = withoutEmpty(next(stored)) as Preferences;
      checkChange(stored, preferences, registry, now());
      isWritten = true;
      return preferences;
    };
    try {
      return await store.change(user, checked, onlyKnown);
    } finally {
      // After a failure, too: the change may have been stored.
      if (isWritten) changed(user);
    }
  }

  return {
    show: async (user: string): Promise<PreferencesAnswer> => answer(await store.read(user)),
    /** Changes what the patch names (RFC 7396): null removes a choice. */
    async merge(user: string, patch: PreferencesPatch): Promise<PreferencesAnswer> {
      const written = withTime(patch);
      return answer(await change(user, (stored) => mergePatch(stored, written)));
    },
    /** Removes every choice that is not given. */
    async replace(user: string, preferences: Preferences): Promise<PreferencesAnswer> {
      const written = withTime(preferences);
      return answer(await change(user, () => written));
    },
    /** Of a user of a link. Undefined when nobody knows the user, or the user was erased. */
    async showKnown(user: string): Promise<KnownPreferences | undefined> {
      const found = await store.readKnown(user);
      return found && knownAnswer(found);
    },
    /** The same for a change. It creates nobody. */
    async changeKnown(
      user: string,
      next: (stored: Preferences) => unknown,
    ): Promise<KnownPreferences | undefined> {
      try {
        return knownAnswer(await change(user, next, true));
      } catch (error) {
        if (error instanceof BelfryError && error.code === "not_found") return undefined;
        throw error;
      }
    },
  };
}

export type PreferenceService = ReturnType<typeof createPreferences>;

/** The preferences with this choice for one channel. A choice for all channels stays that of the others. */
export function withChoice(
  preferences: Preferences,
  { kind, key, channel, value }: { kind: Scope["kind"]; key: string; channel: string; value: Choice | null },
): unknown {
  const before = ownOf(preferences[kind], key);
  const all = before === undefined || typeof before === "object" ? {} : { "*": before };
  return mergePatch(preferences, { [kind]: { [key]: { ...all, [channel]: value } } });
}

/** `muted_until` in the form in which it is stored, so that equal times are equal. */
function withTime<Written extends PreferencesPatch>(written: Written): Written {
  const { muted_until: text } = written;
  if (typeof text !== "string") return written;
  const time = isoTime(text);
  const detail = "must be an ISO 8601 time with its zone, such as 2027-01-31T08:00:00Z";
  if (time === undefined) throw invalidRequest([{ pointer: "/muted_until", detail }]);
  return { ...written, muted_until: iso(time) };
}
