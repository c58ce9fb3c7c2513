import { BelfryClientError } from "../../src/client/error.ts";
import { type Call, createRequester } from "../../src/client/request.ts";
import { slotIn } from "./storage.ts";

/** The folder that this program came from: a proxy may publish the service under a path. */
const home = import.meta.url.replace(/[^/]*$/, "");
/** `path` begins with a slash. */
export const serviceUrl = (path: string): string => home + path.slice(1);

let answeredAt: number | undefined;
let clockAhead = 0;
/** When the service last answered, on this device's clock. */
export const lastAnswer = (): number | undefined => answeredAt;
/** The time on the service's clock: this device's own may be wrong. */
export const serverNow = (): number => Date.now() + clockAhead;

function learnClock({ ok, headers }: Response): void {
  const now = Date.now();
  if (ok) answeredAt = now;
  const date = Date.parse(headers.get("date") ?? "");
  // The header has whole seconds, so a smaller difference means nothing.
  if (!Number.isNaN(date)) clockAhead = Math.abs(date - now) > 2_000 ? date - now : 0;
}

/** Window event: a key was given, so calls that failed without one may be repeated. */
export const keyGiven = "belfry-key";
/** The API key, if the service needs one. It lives as long as the tab, and is only ever sent in a header. */
export const key = slotIn(() => sessionStorage, "belfry.api-key");

/** Asks the operator for a key and says why. Resolves with undefined when they decline. */
type Asker = (why: string) => Promise<string | undefined>;
let asker: Asker = async () => undefined;
let asking: Promise<string | undefined> | undefined;
/** The operator declined once: calls fail at once instead of asking again. */
let declined = false;

export function setAsker(next: Asker): void {
  asker = next;
}

/** Asks for the key again, even after it was declined. */
export async function askForKey(refused = key.get()): Promise<boolean> {
  declined = false;
  const why = refused
    ? "The server does not accept this key. Use one of its API_KEYS; a user token does not work here."
    : "An API key is required: one of the server's API_KEYS.";
  asking ??= asker(why).finally(() => {
    asking = undefined;
  });
  const given = await asking;
  declined = !given;
  if (given) {
    key.set(given);
    dispatchEvent(new Event(keyGiven));
  }
  return !declined;
}

/** Without retries: views and loops retry themselves, and show the error in the meantime. */
const request = createRequester({
  server: home,
  fetch: async (url, init) => {
    const response = await fetch(url, init);
    learnClock(response);
    return response;
  },
  credentials: {
    current: async () => key.get(),
    // Another call may have got a key in the meantime.
    renew: async (refused) => !declined && (key.get() !== refused || askForKey(refused)),
  },
  retries: 0,
  timeoutMs: 20_000,
});

/** Calls the service. A 401 asks the operator for the key first. */
export async function ask<Answer>(
  method: Call["method"],
  path: string,
  { query, ...call }: Omit<Partial<Call>, "query"> & { query?: Call["query"] | URLSearchParams } = {},
): Promise<Answer> {
  const asked =
    query instanceof URLSearchParams ? { path: `${path}?${query}` } : { path, query: query ?? {} };
  const answer = await request<Answer>({ ...call, ...asked, method }).catch((error) => {
    throw error.cause instanceof SyntaxError ? foreign() : error;
  });
  // Every answer of the service is an object, except to some deletions.
  if (method !== "DELETE" && Object(answer) !== answer) throw foreign();
  return answer;
}

/** A proxy or another program has answered. */
const foreign = () => new BelfryClientError("", { code: "not_belfry" });
