import type { Recipient } from "../model/channel.ts";
import type { Settlement } from "../model/delivery.ts";
import { failingDays } from "../model/reach.ts";
import type { Store } from "../store/index.ts";
import type { WorkerOptions } from "./worker.ts";

const failingMs = failingDays * 24 * 60 * 60_000;

/**
 * Disables a user's webhook once every attempt has failed for 5 days: a delivery has used all its tries, and the
 * first failure of the series is that old. `recipient`: the profile that was read for the delivery. The user's
 * document is written when the series begins and when it ends, not at each attempt. Never rejects.
 */
export async function watchEndpoint(
  { delivery, attempts, state }: Settlement,
  recipient: Promise<Recipient> | undefined,
  { users, now }: Pick<Store, "users" | "now">,
  disable: (user: string, url: string) => Promise<void>,
  log: WorkerOptions["log"],
): Promise<void> {
  const { user } = delivery;
  const [first] = attempts;
  if (!first) return;
  try {
    const webhook = (await recipient)?.webhook;
    // The operator's own WEBHOOK_URL is not disabled.
    if (!webhook || webhook.shared) return;
    const since = webhook.failingSince?.getTime();
    if (state === "sent") {
      if (since !== undefined) await users.noteFailing(user, webhook.url, undefined);
    } else if (since === undefined) {
      await users.noteFailing(user, webhook.url, new Date(first.at));
    } else if (state === "failed" && now() - since > failingMs) {
      await disable(user, webhook.url);
      log.warn(
        { user, failingSince: new Date(since).toISOString() },
        `a user's webhook is disabled: every attempt has failed for ${failingDays} days`,
      );
    }
  } catch (error) {
    log.warn({ err: error, user }, "could not note how a user's webhook is doing");
  }
}
