import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../src/client/error.ts";
import { askForKey } from "./api.ts";

/** Two sentences: the problem, and the next step. */
export function describeError(error: unknown): { message: string; todo: string } {
  if (!(error instanceof BelfryClientError))
    return { message: "The console has a bug.", todo: `Reload the page. (${String(error)})` };
  const { status, code, message, retryAfter = 0, requestId } = error;
  if (code === "unreachable" && !navigator.onLine)
    return { message: "This device is offline.", todo: "Reconnecting…" };
  if (code === "unreachable")
    return { message: "Belfry does not answer.", todo: "Check that it is running. Reconnecting…" };
  if (code === "timeout")
    return {
      message: "Belfry has not answered for 20 seconds.",
      todo: "It may be busy: try again, or narrow the filters.",
    };
  if (code === "not_belfry" || (code.startsWith("http_") && status !== 429))
    return {
      message: `The answer does not come from Belfry${status ? ` (${status})` : ""}.`,
      todo: "Check the proxy or the address.",
    };
  if (status === 401)
    return { message: "An API key is required.", todo: "Enter one of the server's API_KEYS." };
  if (code === "forbidden")
    return { message: "This is a user token.", todo: "The console needs one of the server's API_KEYS." };
  if (status === 429)
    return {
      message: "Too many requests from this address.",
      todo: `Wait ${Math.max(1, Math.ceil(retryAfter))} s, then try again.`,
    };
  if (status === 500)
    return {
      message: "The server failed.",
      todo: requestId ? `Its log has the cause under request id ${requestId}.` : "Its log has the cause.",
    };
  if (status === 503)
    return { message, todo: retryAfter ? `Try again in ${Math.ceil(retryAfter)} s.` : "Try again." };
  return { message, todo: "" };
}

/** Repeating the request would get the same answer. */
const isFinal = (error: unknown): boolean =>
  error instanceof BelfryClientError && [400, 404].includes(error.status) && !error.code.startsWith("http_");

/** An error on the page. `again`: offered as "Try again" where that may help. `note`: one more sentence. */
export function errorBox(
  error: unknown,
  again?: () => void,
  note?: unknown,
): TemplateResult | typeof nothing {
  if (error === undefined) return nothing;
  const { message, todo } = describeError(error);
  const needsKey = error instanceof BelfryClientError && (error.status === 401 || error.code === "forbidden");
  const enterKey = async () => (await askForKey()) && again?.();
  return html`<div class="trouble" role="alert">
    <p><strong>${message}</strong> ${todo} ${note}</p>
    ${
      needsKey
        ? html`<button type="button" @click=${enterKey}>Enter the key</button>`
        : again && !isFinal(error)
          ? html`<button type="button" @click=${again}>Try again</button>`
          : nothing
    }
  </div>`;
}
