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
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text = `no answer within ${ms} ms`;
      reject(new SendError({ kind: "unknown", code: "TIMEOUT", text }));
    }, ms);
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    throw error instanceof SendError ? error : new SendError(meaning(error));
  } finally {
    clearTimeout(timer);
  }
}
