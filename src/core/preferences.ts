import { invalidRequest } from "../model/errors.ts";
import { mergePatch, withoutEmpty } from "../model/merge-patch.ts";
import type { Preferences } from "../model/preferences.ts";
import { iso } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import type { StoredPreferences } from "../store/preferences.ts";
import { isoTime } from "./filters.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { checkChange } from "./preference-checks.ts";
import { matrixOf } from "./preference-matrix.ts";
import type { PreferencesAnswer, PreferencesPatch } from "./preference-schemas.ts";

export interface PreferencesOptions {
  /** Of users who have none. */
  timeZone: string;
  /** Called with the user after each change. */
  changed: (user: string) => void;
}

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

  async function change(user: string, next: (stored: Preferences) => unknown): Promise<PreferencesAnswer> {
    let isWritten = false;
    try {
      const written = await store.change(user, (stored) => {
        const preferences = withoutEmpty(next(stored)) as Preferences;
        checkChange(stored, preferences, registry, now());
        isWritten = true;
        return preferences;
      });
      return answer(written);
    } finally {
      // After a failure, too: the change may have been stored.
      if (isWritten) changed(user);
    }
  }

  return {
    show: async (user: string): Promise<PreferencesAnswer> => answer(await store.read(user)),
    /** Changes what the patch names (RFC 7396): null removes a choice. */
    merge(user: string, patch: PreferencesPatch): Promise<PreferencesAnswer> {
      const written = withTime(patch);
      return change(user, (stored) => mergePatch(stored, written));
    },
    /** Removes every choice that is not given. */
    replace(user: string, preferences: Preferences): Promise<PreferencesAnswer> {
      const written = withTime(preferences);
      return change(user, () => written);
    },
  };
}

export type PreferenceService = ReturnType<typeof createPreferences>;

/** `muted_until` in the form in which it is stored, so that equal times are equal. */
function withTime<Written extends PreferencesPatch>(written: Written): Written {
  const { muted_until: text } = written;
  if (typeof text !== "string") return written;
  const time = isoTime(text);
  const detail = "must be an ISO 8601 time with its zone, such as 2027-01-31T08:00:00Z";
  if (time === undefined) throw invalidRequest([{ pointer: "/muted_until", detail }]);
  return { ...written, muted_until: iso(time) };
}
