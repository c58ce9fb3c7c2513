import { ofRecipient, type Schedule } from "../model/schedule.ts";
import { knownTimeZone } from "../model/time-zone.ts";
import type { Store } from "../store/index.ts";

/**
 * The recipients of a schedule by the zone in which it happens for them: one zone, or each recipient's own.
 * `timeZone`: of users who have none.
 */
export function createScheduleZones({ users }: Pick<Store, "users">, timeZone: string) {
  return async function recipientsByZone({
    zone,
    recipients,
  }: Pick<Schedule, "zone" | "recipients">): Promise<Map<string, string[]>> {
    if (zone !== ofRecipient) return new Map([[zone, recipients]]);
    const profiles = await users.many(recipients);
    const groups = new Map<string, string[]>();
    for (const [at, user] of recipients.entries()) {
      const own = profiles[at]?.timeZone;
      const known = (own !== undefined && knownTimeZone(own)) || timeZone;
      groups.set(known, [...(groups.get(known) ?? []), user]);
    }
    return groups;
  };
}

export type RecipientsByZone = ReturnType<typeof createScheduleZones>;
