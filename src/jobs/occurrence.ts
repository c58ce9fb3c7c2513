import type { Notifier } from "../core/notify.ts";
import type { RecipientsByZone } from "../core/schedule-zones.ts";
import { BelfryError } from "../model/errors.ts";
import { ofRecipient } from "../model/schedule.ts";
import type { Store } from "../store/index.ts";
import { idOf } from "./ids.ts";
import type { JobKind } from "./kind.ts";
import { sendTo } from "./send.ts";

/** One occurrence of a schedule in one zone; the job's key is the schedule's. */
export interface OccurrenceCommand {
  zone: string;
  /** When it was to happen (Unix ms). */
  at: number;
}

/** Sends the schedule's notification as it is now. Ids follow from the job and the user, so running it twice stores once. */
export const occurrence = (
  { schedules }: Pick<Store, "schedules">,
  core: Pick<Notifier, "notifyEach">,
  recipientsByZone: RecipientsByZone,
): JobKind<OccurrenceCommand> => ({
  name: "occurrence",
  atOnce: 8,
  async run({ id, key = "", command: { zone, at } }) {
    const schedule = await schedules.one(key);
    if (!schedule) throw new BelfryError("not_found", `The schedule ${key} was deleted.`);
    const groups = await recipientsByZone(schedule);
    const users = schedule.zone === ofRecipient ? (groups.get(zone) ?? []) : schedule.recipients;
    return sendTo(
      core,
      schedule.notification,
      users.map((user) => ({ user, id: idOf(at, id, user) })),
    );
  },
});
