import type { Notifier, Target } from "../core/notify.ts";
import type { JobCounts } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";

/**
 * Notifies the targets, and passes over those who have the notification already. Rejects when a retry may reach more of them,
 * and when the command is refused.
 */
export async function sendTo(
  { notifyEach }: Pick<Notifier, "notifyEach">,
  command: Omit<NotifyCommand, "user">,
  targets: Target[],
): Promise<JobCounts & { error?: string }> {
  const outcomes = await notifyEach(command, targets);
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
