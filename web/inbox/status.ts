import { BelfryClientError } from "../../src/client/error.ts";
import type { Locale } from "./locale.ts";
import type { InboxView } from "./session.ts";
import { filled, type Texts } from "./texts.ts";

/** What is wrong and what to do about it. There is always a sentence, never an endless spinner. */
export interface Status {
  kind: "loading" | "offline" | "trouble";
  text: string;
  /** A button offers to try again at once. */
  canRetry: boolean;
}

/** A shorter interruption is not shown. */
const reconnectNoticeMs = 3_000;
/** After this long without an answer the reader is told. */
const slowMs = 5_000;
/** For a longer pause of the service, the sentence has the time of the next try. */
const pauseSeconds = 5;
/** Closing another tab helps more than waiting. */
const tooMany = "too_many_connections";

/** Undefined: nothing is wrong. */
export function statusOf(
  view: InboxView | undefined,
  { texts, clock }: Locale,
  now: number,
  hasUser: boolean,
): Status | undefined {
  if (!hasUser) return { kind: "trouble", text: texts.noUser, canRetry: false };
  if (!view) return { kind: "loading", text: texts.loading, canRetry: false };
  const { connection, isLoaded, troubledSince = now, error, retryAt = 0 } = view;
  const waited = now - troubledSince;
  if (connection === "live") return undefined;
  if (connection === "offline") return { kind: "offline", text: texts.offline, canRetry: false };
  if (connection === "refused") return { kind: "trouble", text: sentenceFor(error, texts), canRetry: true };
  if (error && (!isLoaded || waited > reconnectNoticeMs)) {
    const wasAsked =
      error instanceof BelfryClientError && error.code !== tooMany && (error.retryAfter ?? 0) > pauseSeconds;
    const text =
      wasAsked && retryAt > now ? filled(texts.later, { time: clock(retryAt) }) : sentenceFor(error, texts);
    return { kind: "trouble", text, canRetry: true };
  }
  if (!isLoaded)
    return waited > slowMs
      ? { kind: "trouble", text: texts.slow, canRetry: true }
      : { kind: "loading", text: texts.loading, canRetry: false };
  if (waited > reconnectNoticeMs) return { kind: "trouble", text: texts.reconnecting, canRetry: true };
  return undefined;
}

const sentences: Record<string, keyof Texts> = {
  unreachable: "unreachable",
  timeout: "slow",
  unauthorized: "signedOut",
  token_expired: "signedOut",
  forbidden: "forbidden",
  foreign_origin: "origin",
  not_found: "notFound",
  [tooMany]: "busy",
  overloaded: "busy",
  not_reading: "unreachable",
  leaving: "unreachable",
};
const byStatus: Record<number, keyof Texts> = {
  401: "signedOut",
  403: "forbidden",
  404: "notFound",
  429: "busy",
};

/** The sentence for a failed action. Actions are not retried, so after a temporary failure it asks the reader to repeat. */
export function failureFor(error: Error, texts: Texts): string {
  const passes = error instanceof BelfryClientError && !error.isFinal;
  return `${texts.notDone} ${passes ? texts.again : sentenceFor(error, texts)}`;
}

export function sentenceFor(error: Error | undefined, texts: Texts): string {
  // Only the page's `getToken` or `token-url` throws other errors.
  if (!(error instanceof BelfryClientError)) return texts.noToken;
  const { code, status } = error;
  const name =
    sentences[code] ??
    byStatus[status] ??
    (status >= 500 || code === "internal" || code === "database_unavailable" ? "broken" : "failed");
  return filled(texts[name] as string, { code });
}
