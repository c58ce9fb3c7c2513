import { createHash } from "node:crypto";
import { BelfryError } from "../model/errors.ts";
import type { KeptFailure, KeptRequest, KeyLease } from "../model/idempotency.ts";

/** How long a key means its request. */
export const keyWindowMs = 24 * 60 * 60_000;
/** Whoever works on a request and is silent for so long has ended. */
export const keyLeaseMs = 10_000;

export interface IdempotencyPartners {
  store: {
    begin(
      key: string,
      fresh: { request: string; ids: string[]; lease: KeyLease; expireAt: number },
      now: number,
    ): Promise<KeptRequest | undefined>;
    takeOver(key: string, before: KeyLease, lease: KeyLease): Promise<boolean>;
    extend(key: string, lease: KeyLease): Promise<void>;
    finish(key: string, lease: KeyLease, failures: KeptFailure[]): Promise<void>;
    giveUp(key: string, lease: KeyLease): Promise<void>;
  };
  newId: () => string;
  now: () => number;
}

/** A key as its caller knows it. `owner`: whose it is; another one's equal key is another key. */
export interface IdempotencyKey {
  owner: string;
  key: string;
}

/** Ours to work on, or answered before. `resumed`: somebody has worked on it and may have done some of it. */
export type Opened =
  | {
      ids: string[];
      resumed: boolean;
      /** Whoever works on it says so well within `keyLeaseMs`, or an equal request goes on with it. */
      extend(): Promise<void>;
      /** The answer, for whoever asks again. */
      finish(failures: KeptFailure[]): Promise<void>;
      /** No answer: an equal request may go on at once. */
      giveUp(): Promise<void>;
    }
  | { ids: string[]; failures: KeptFailure[] };

/**
 * Gives equal requests one answer. Rejects with `idempotency_in_progress` while another works on it, and with
 * `idempotency_mismatch` when the key came with another request.
 *
 * A lease that runs out under someone who is alive after all does no harm: both work with the same ids, and what is
 * stored under an id is stored once; deliveries, while the ids are fresh.
 */
export function createIdempotency({ store, newId, now }: IdempotencyPartners) {
  /** `request`: its digest. `count`: how many ids it needs. */
  return async function open(
    { owner, key }: IdempotencyKey,
    request: string,
    count: number,
  ): Promise<Opened> {
    // The owner's part has no line break, so that no two pairs read alike.
    const name = digest(`${owner}\n${key}`);
    for (;;) {
      const lease = { token: newId(), until: now() + keyLeaseMs };
      const ids = Array.from({ length: count }, newId);
      const kept = await store.begin(name, { request, ids, lease, expireAt: now() + keyWindowMs }, now());
      if (!kept) return ours(ids, lease, false);
      if (kept.request !== request) throw new BelfryError("idempotency_mismatch");
      if (kept.failures) return { ids: kept.ids, failures: kept.failures };
      if (!kept.lease || kept.lease.until > now()) throw inProgress(kept.lease, now());
      if (await store.takeOver(name, kept.lease, lease)) return ours(kept.ids, lease, true);
    }

    function ours(ids: string[], lease: KeyLease, resumed: boolean): Opened {
      return {
        ids,
        resumed,
        extend: () => store.extend(name, { ...lease, until: now() + keyLeaseMs }),
        finish: (failures) => store.finish(name, lease, failures),
        giveUp: () => store.giveUp(name, lease),
      };
    }
  };
}

/** Whoever holds it may have died: who comes back when the lease is over is let in for certain. */
function inProgress(lease: KeyLease | undefined, now: number): BelfryError {
  const error = new BelfryError("idempotency_in_progress");
  if (lease) error.retryAfterSeconds = Math.max(1, Math.ceil((lease.until - now) / 1_000));
  return error;
}

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** The same for requests that ask the same, whatever the order of their fields. `body`: JSON of bounded depth. */
export const digestOfRequest = (method: string, path: string, body: unknown): string =>
  digest(`${method} ${path}\n${JSON.stringify(body, inOrder)}`);

function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
