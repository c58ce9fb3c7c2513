import { setImmediate } from "node:timers/promises";
import type { Notifier, Outcome, Target } from "../core/notify.ts";
import type { JobCounts } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";

/** The number that wait for a commit at once, so that large jobs do not fill the queue of those who call. */
const together = 250;
/** A broadcast has a queue of its own: three batches of 500 in flight, and one that waits. */
const lanesOfBroadcast = 8;

/**
 * Notifies the targets, and passes over those who have the notification already. Rejects when a retry may reach more of them,
 * and when the command is refused.
 */
export async function sendTo(
  { notifyEach }: Pick<Notifier, "notifyEach">,
  command: Omit<NotifyCommand, "user">,
  targets: Target[],
): Promise<JobCounts & { error?: string }> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async () => {
    while (next < targets.length) {
      const part = targets.slice(next, next + together);
      next += together;
      // Other requests go on between two parts: planning a whole page takes some milliseconds.
      await setImmediate();
      outcomes.push(...(await notifyEach(command, part)));
    }
  };
  await Promise.all(Array.from({ length: command.bulk ? lanesOfBroadcast : 1 }, lane));
  const errors = outcomes.flatMap(({ error }) => error ?? []);
  const passing = errors.find((one) => one.status >= 500);
  if (passing) throw passing;
  const [first] = errors;
  return {
    done: outcomes.length - errors.length,
    failed: errors.length,
    total: outcomes.length,
    ...(first && { error: first.message }),
  };
}
