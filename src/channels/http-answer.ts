import { withTimeLimit } from "../lib/time-limit.ts";
import { SendError } from "../model/delivery.ts";

/** Socket and TLS codes after which nothing was handed over: there was no connection. */
export const nothingSent = /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ERR_TLS_\w+)$/;

/**
 * Awaits a library's answer. Throws a `SendError`: what `meaning` makes of the library's error, or `unknown` after
 * `ms`. The libraries' own time-outs count silence, so an answer that trickles in would outlast them, and then the
 * lease. The library's error is not kept as a cause, because axios puts the request with its credentials into it.
 */
export async function answerWithin<T>(
  ms: number,
  answer: Promise<T>,
  meaning: (error: unknown) => SendError["outcome"],
): Promise<T> {
  const text = `no answer within ${ms} ms`;
  const late = () => new SendError({ kind: "unknown", code: "TIMEOUT", text });
  return withTimeLimit(ms, answer, late).catch((error: unknown) => {
    throw error instanceof SendError ? error : new SendError(meaning(error));
  });
}
