import type { DeliveryRecord, DeliverySummary, Ledger, SuppressionEntry } from "./operate.ts";

/** The forms in which `/v1` and the command line tell; times are ISO 8601. */

const iso = (ms: number): string => new Date(ms).toISOString();

export function summaryOnWire(one: DeliverySummary) {
  const { id, notification, user, type, channel, state, reason, detail, provider, tries, due } = one;
  return {
    id,
    notification_id: notification,
    user_id: user,
    type,
    channel,
    status: state,
    ...(reason && { reason }),
    ...(detail && { detail }),
    ...(provider !== undefined && { provider }),
    tries,
    ...(due !== undefined && { due: iso(due) }),
    created_at: iso(one.createdAt),
    updated_at: iso(one.updatedAt),
  };
}

export function recordOnWire(one: DeliveryRecord) {
  const { attempts, providerId, interruptions, heldUntil, expireAt } = one;
  return {
    ...summaryOnWire(one),
    ...(providerId !== undefined && { provider_id: providerId }),
    interruptions,
    ...(heldUntil !== undefined && { held_until: iso(heldUntil) }),
    ...(expireAt !== undefined && { expires_at: iso(expireAt) }),
    attempts: attempts.map((attempt) => ({ ...attempt, at: iso(attempt.at) })),
  };
}

export function ledgerOnWire({ from, to, total, channels }: Ledger) {
  return { from: iso(from), to: iso(to), balanced: total.balanced, total, channels };
}

export function suppressionOnWire({ user, channel, address, reason, at }: SuppressionEntry) {
  return { user_id: user, channel, address, reason, at: at.toISOString() };
}
