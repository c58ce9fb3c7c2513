import { BelfryError } from "../model/errors.ts";
import type { KeptFailure } from "../model/idempotency.ts";
import type { NotifyCommand } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import {
  createIdempotency,
  digestOfRequest,
  type IdempotencyKey,
  keyLeaseMs,
  type Opened,
} from "./idempotency.ts";
import type { Notifier, Outcome, Target } from "./notify.ts";

export interface Sent {
  /** One per user, in order. */
  outcomes: Outcome[];
  /** True when the outcomes repeat the answer to an equal request. */
  replayed: boolean;
}

/**
 * Sends one notification to each of several distinct users. Rejects before anything is stored with an error that
 * concerns them all: `invalid_request`, `overloaded`, and with a key the errors of `createIdempotency`.
 *
 * With a key, an equal request gets the first one's answer. If that was never given, because its process ended or
 * MongoDB was unavailable, the equal request stores what is missing, under the ids made for the first.
 */
export function createSendMany(
  store: Pick<Store, "idempotency" | "newTimedId" | "now">,
  notifier: Pick<Notifier, "plan" | "notifyEach">,
) {
  const open = createIdempotency(store);
  return async function sendMany(
    command: Omit<NotifyCommand, "user">,
    users: string[],
    key?: IdempotencyKey,
    path = "/v1/notifications",
  ): Promise<Sent> {
    const targets = (ids: string[]) => users.map((user, at) => ({ user, id: ids[at] as string }));
    if (!key)
      return {
        outcomes: await notifier.notifyEach(command, targets(users.map(() => store.newTimedId()))),
        replayed: false,
      };

    // Plan first: a refused request uses up no key.
    const { item } = notifier.plan({ ...command, user: "" });
    const request = digestOfRequest("POST", path, { ...command, users });
    const opened = await open(key, request, users.length);
    const wanted = targets(opened.ids);
    if ("failures" in opened) return { outcomes: answered(wanted, opened), replayed: true };
    // Two processes that work on one key would not always see each other's deliveries.
    const working = setInterval(() => opened.extend().catch(() => {}), keyLeaseMs / 3);
    try {
      const done = opened.resumed ? await store.idempotency.stored(wanted) : undefined;
      const missing = wanted.filter(({ id }) => !done?.stored.has(id) && !done?.delivered.has(id));
      const recordless = item ? wanted.filter(({ id }) => done?.delivered.has(id)) : [];
      const sent = await Promise.all([
        missing.length > 0 ? notifier.notifyEach(command, missing) : [],
        recordless.length > 0 ? notifier.notifyEach({ ...command, channels: ["inbox"] }, recordless) : [],
      ]);
      const asked = [...missing, ...recordless];
      const byId = new Map(sent.flat().map((one, at) => [asked[at]?.id, one]));
      const outcomes = wanted.map((one) => byId.get(one.id) ?? one);
      await keep(opened, outcomes);
      return { outcomes, replayed: false };
    } catch (error) {
      await opened.giveUp().catch(() => {});
      throw error;
    } finally {
      clearInterval(working);
    }
  };
}

/** A request that came with an `Idempotency-Key`, and its route: the same key on another route is another request. */
export interface Keyed {
  key: IdempotencyKey;
  path: string;
}

/**
 * Does not store an answer with a transient error, so that its caller can retry. A failure to store the answer says
 * nothing about the notifications: a retry finds them stored.
 */
async function keep(opened: Exclude<Opened, Answered>, outcomes: Outcome[]): Promise<void> {
  const failures = outcomes.flatMap(({ error }, at) => (error ? [{ at, code: error.code }] : []));
  const replaced = outcomes.flatMap((one, at) => (one.replaced ? [{ at, id: one.id }] : []));
  const passing = outcomes.some(({ error }) => error !== undefined && error.status >= 500);
  await (passing ? opened.giveUp() : opened.finish(failures, replaced)).catch(() => {});
}

type Answered = Extract<Opened, { failures: KeptFailure[] }>;

function answered(targets: Target[], { failures, replaced }: Answered): Outcome[] {
  const codes = new Map(failures.map(({ at, code }) => [at, code]));
  return targets.map((target, at) => {
    const code = codes.get(at);
    return {
      ...target,
      ...(replaced?.includes(at) && { replaced: true }),
      ...(code && { error: new BelfryError(code) }),
    };
  });
}
