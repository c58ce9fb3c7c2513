import { html, nothing, type TemplateResult } from "lit";
import { ApiError, askForKey } from "./api.ts";

/** What went wrong, and what to do about it: two sentences. */
export function describeError(error: unknown): { says: string; todo: string } {
  if (!(error instanceof ApiError))
    return { says: "The console itself has a defect.", todo: `Reload the page. (${String(error)})` };
  const { status, code, message, retryAfter = 0, requestId } = error;
  if (code === "offline")
    return { says: "This device has no network.", todo: "It goes on when there is one." };
  if (code === "unreachable")
    return { says: "Belfry does not answer.", todo: "See whether it runs, then try again." };
  if (code === "timeout")
    return {
      says: "Belfry has not answered for 20 seconds.",
      todo: "It may be busy: try again, or ask for less.",
    };
  if (code === "not_belfry" || (code.startsWith("http_") && status !== 429))
    return {
      says: `Something answers here that is not Belfry${status ? ` (${status})` : ""}.`,
      todo: "See to the proxy or the address.",
    };
  if (status === 401) return { says: "This server asks for an API key.", todo: "Give one of its API_KEYS." };
  if (code === "forbidden")
    return { says: "This key is one user's token.", todo: "The console wants one of the server's API_KEYS." };
  if (status === 429)
    return {
      says: "The server has had too many calls from here.",
      todo: `Wait ${Math.max(1, Math.ceil(retryAfter))} s, then try again.`,
    };
  if (status === 500)
    return {
      says: "Something broke in the server.",
      todo: requestId ? `Its log has the cause under the request id ${requestId}.` : "Its log has the cause.",
    };
  if (status === 503)
    return { says: message, todo: retryAfter ? `Try again in ${Math.ceil(retryAfter)} s.` : "Try again." };
  return { says: message, todo: "" };
}

/** The same question would get the same answer. */
const isFinal = (error: unknown): boolean =>
  error instanceof ApiError && [400, 404].includes(error.status) && !error.code.startsWith("http_");

/** The same on the page, with the way out. `again` is offered where trying again may help. */
export function errorBox(error: unknown, again?: () => void): TemplateResult | typeof nothing {
  if (error === undefined) return nothing;
  const { says, todo } = describeError(error);
  const wantsKey = error instanceof ApiError && (error.status === 401 || error.code === "forbidden");
  const giveKey = async () => (await askForKey()) && again?.();
  return html`<div class="trouble" role="alert">
    <p><strong>${says}</strong> ${todo}</p>
    ${
      wantsKey
        ? html`<button type="button" @click=${giveKey}>Give the key</button>`
        : again && !isFinal(error)
          ? html`<button type="button" @click=${again}>Try again</button>`
          : nothing
    }
  </div>`;
}
