import type { NewJob } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { createIdempotency, digestOfRequest, type IdempotencyKey } from "./idempotency.ts";
import type { Notifier, Target } from "./notify.ts";
import type { WrittenSendTime } from "./send-time.ts";

/** The command of a job of the kind `later`. The ids are made beforehand, so running it twice stores once. */
export interface LaterCommand {
  notification: Omit<NotifyCommand, "user">;
  targets: Target[];
  /** When it is sent (Unix ms). The job's own `due` moves with each retry. */
  at: number;
}

/** What is sent, to whom (distinct users), and when: as it was read, in Unix ms, and as it was written. */
export interface LaterRequest {
  notification: Omit<NotifyCommand, "user">;
  users: string[];
  due: number;
  written: WrittenSendTime;
}

export interface SentLater {
  job: string;
  /** Unix ms. */
  due: number;
  /** The time was past, so it is sent at once. */
  past: boolean;
  targets: Target[];
  replayed: boolean;
}

/**
 * Stores a job that sends one notification at its time. Rejects before anything is stored with `invalid_request`, and with a
 * key as `sendMany`. `insert`: stores the job, unless it is stored already.
 */
export function createSendLater(
  store: Pick<Store, "jobs" | "idempotency" | "newTimedId" | "now">,
  { plan }: Pick<Notifier, "plan">,
  onJob: (due: number) => void,
) {
  const open = createIdempotency(store);

  return async function sendLater(
    { notification, users, due: wanted, written }: LaterRequest,
    key?: IdempotencyKey,
    insert: (job: NewJob) => Promise<unknown> = store.jobs.insert,
  ): Promise<SentLater> {
    plan({ ...notification, user: "" });
    const due = Math.max(wanted, store.now());
    const answer = ([job, ...ids]: string[], stored: number, replayed: boolean): SentLater => ({
      job: job as string,
      due: stored,
      past: written.send_at !== undefined && stored > wanted,
      targets: users.map((user, at) => ({ user, id: ids[at] as string })),
      replayed,
    });
    const put = async (ids: string[]) => {
      const { job: id, targets } = answer(ids, due, false);
      const command: LaterCommand = { notification, targets, at: due };
      await insert({ id, kind: "later", command, due, total: users.length });
      onJob(due);
    };

    const count = users.length + 1;
    if (!key) {
      const ids = Array.from({ length: count }, () => store.newTimedId(due));
      await put(ids);
      return answer(ids, due, false);
    }
    const request = digestOfRequest("POST", "/v1/notifications", { ...notification, users, ...written });
    const opened = await open(key, request, count, due);
    const replayed = "failures" in opened;
    if (!replayed) {
      try {
        await put(opened.ids);
        await opened.finish([]).catch(() => {});
      } catch (error) {
        await opened.giveUp().catch(() => {});
        throw error;
      }
    }
    // An earlier request with this key may have stored it, with its own time.
    const stored = await store.jobs.one(opened.ids[0] as string);
    return answer(opened.ids, (stored?.command as LaterCommand | undefined)?.at ?? due, replayed);
  };
}
