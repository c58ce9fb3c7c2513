import type { Notifier, Outcome, Target } from "../core/notify.ts";
import type { JobCounts } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";

/** So many wait for a commit at once, so that large jobs do not fill the queue of those who call. A broadcast waits by itself. */
const together = 250;

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
  const size = command.bulk ? targets.length : together;
  for (let at = 0; at < targets.length; at += size)
    outcomes.push(...(await notifyEach(command, targets.slice(at, at + size))));
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
