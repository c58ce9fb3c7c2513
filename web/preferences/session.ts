import { createCredentials } from "../../src/client/credentials.ts";
import type { PreferencesAnswer, PreferencesPatch } from "../../src/client/index.ts";
import { createRequester } from "../../src/client/request.ts";
import { createOriginCheck } from "../inbox/origin.ts";
import type { Target } from "../inbox/session.ts";
import { tokensOf } from "../inbox/token.ts";
import { followPreferences } from "./follow.ts";

export interface PreferencesView {
  /** Undefined until they are loaded. */
  answer: PreferencesAnswer | undefined;
  /** Why the last call failed. */
  error: Error | undefined;
  /** A change was stored since the tag was shown. */
  isSaved: boolean;
}

export interface PreferencesSession {
  readonly view: PreferencesView;
  /** Resolves when the service has answered. Changes reach it in their order. */
  change(patch: PreferencesPatch): Promise<void>;
  reload(): void;
  close(): void;
}

/** One user's preferences. They are read again when another page changes them, and when the page is shown again. */
export function openPreferences(target: Target, onChange: () => void): PreferencesSession {
  const { server, user } = target;
  const origin = createOriginCheck(server);
  const credentials = createCredentials(undefined, tokensOf(target));
  // The whole client would be twice as large as the tag.
  const request = createRequester({
    server,
    credentials,
    fetch: (address, init) => origin.fetch(address, init ?? {}),
    retries: 1,
    timeoutMs: 30_000,
  });
  const path = `/v1/users/${encodeURIComponent(user)}/preferences`;
  let view: PreferencesView = { answer: undefined, error: undefined, isSaved: false };
  let turn: Promise<unknown> = Promise.resolve();
  let open = 0;
  let isClosed = false;

  /** One call after the other. An answer that is older than another call's is not shown. */
  function ask(call: () => Promise<PreferencesAnswer>, isChange: boolean): Promise<void> {
    open++;
    const mine = turn.then(call).then(
      (answer) =>
        take({ ...(open === 1 && { answer }), error: undefined, ...(isChange && { isSaved: true }) }),
      (error: Error) => take({ error }),
    );
    turn = mine;
    return mine;
  }

  function take(next: Partial<PreferencesView>): void {
    open--;
    view = { ...view, ...next };
    if (!isClosed) onChange();
  }

  const reload = () => void ask(() => request<PreferencesAnswer>({ method: "GET", path }), false);
  const onVisible = () => {
    if (!document.hidden) reload();
  };
  document.addEventListener("visibilitychange", onVisible);
  const endFollowing = followPreferences(server, user, credentials, (rev) => {
    if (view.answer && rev !== view.answer.preferences_rev && open === 0) reload();
  });
  reload();

  return {
    get view() {
      return view;
    },
    change: (patch) => ask(() => request<PreferencesAnswer>({ method: "PATCH", path, body: patch }), true),
    reload() {
      origin.forget();
      reload();
    },
    close() {
      isClosed = true;
      endFollowing();
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}
