import { createHash } from "node:crypto";
import { BelfryError } from "../model/errors.ts";
import type { KeptFailure, KeyLease } from "../model/idempotency.ts";
import type { Store } from "../store/index.ts";

/** How long a key is kept. */
export const keyWindowMs = 24 * 60 * 60_000;
/** A process that does not extend its lease for this long counts as dead. */
export const keyLeaseMs = 10_000;

/** A caller's key. Equal keys of different owners are different keys. */
export interface IdempotencyKey {
  owner: string;
  key: string;
}

/** A request to process, or one that was answered before. `resumed`: another process may have done a part of it. */
export type Opened =
  | {
      ids: string[];
      resumed: boolean;
      /** Call it well within `keyLeaseMs`, or an equal request takes over. */
      extend(): Promise<void>;
      /** Stores the answer for repeated requests. `replaced`: the earlier notifications. */
      finish(failures: KeptFailure[], replaced?: Array<{ at: number; id: string }>): Promise<void>;
      /** Gives up without an answer: an equal request may start at once. */
      giveUp(): Promise<void>;
    }
  | { ids: string[]; failures: KeptFailure[]; replaced?: number[] };

/**
 * Gives equal requests one answer. Rejects with `idempotency_in_progress` while another process works on the request,
 * and with `idempotency_mismatch` when the key was used for another request.
 *
 * If a lease expires while its process is still alive, both processes work with the same ids, and an id is stored once.
 */
export function createIdempotency({
  idempotency: keys,
  newTimedId: newId,
  now,
}: Pick<Store, "idempotency" | "newTimedId" | "now">) {
  /** `request`: its digest. `count`: how many ids it needs. `at`: the time in the ids (Unix ms), now by default. */
  return async function open(
    { owner, key }: IdempotencyKey,
    request: string,
    count: number,
    at?: number,
  ): Promise<Opened> {
    // The owner has no line break, so different pairs cannot give the same text.
    const name = digest(`${owner}\n${key}`);
    for (;;) {
      const lease = { token: newId(), until: now() + keyLeaseMs };
      const ids = Array.from({ length: count }, () => newId(at));
      const kept = await keys.begin(name, { request, ids, lease, expireAt: now() + keyWindowMs }, now());
      if (!kept) return ours(ids, lease, false);
      if (kept.request !== request) throw new BelfryError("idempotency_mismatch");
      const { ids: answered, failures, replaced } = kept;
      if (failures) return { ids: answered, failures, ...(replaced && { replaced }) };
      if (!kept.lease || kept.lease.until > now()) throw inProgress(kept.lease, now());
      if (await keys.takeOver(name, kept.lease, lease)) return ours(kept.ids, lease, true);
    }

    function ours(ids: string[], lease: KeyLease, resumed: boolean): Opened {
      return {
        ids,
        resumed,
        extend: () => keys.extend(name, { ...lease, until: now() + keyLeaseMs }),
        finish: (failures, replaced) => keys.finish(name, lease, failures, replaced),
        giveUp: () => keys.giveUp(name, lease),
      };
    }
  };
}

/** The holder may have died: a retry after the end of the lease always succeeds. */
function inProgress(lease: KeyLease | undefined, now: number): BelfryError {
  const error = new BelfryError("idempotency_in_progress");
  if (lease) error.retryAfterSeconds = Math.max(1, Math.ceil((lease.until - now) / 1_000));
  return error;
}

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** A digest that does not depend on the order of fields. `body`: JSON of bounded depth. */
export const digestOfRequest = (method: string, path: string, body: unknown): string =>
  digest(`${method} ${path}\n${JSON.stringify(body, inOrder)}`);

function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
