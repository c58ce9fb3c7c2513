import { createBatcher } from "../lib/batcher.ts";
import { SendError } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { CapturedMessage, Messages, Provider } from "../model/provider.ts";

/** Keeps what would have been sent, for a channel without a provider. Webhooks need none and are never captured. */
export function createCaptureProvider<C extends Exclude<Channel, "webhook">>(options: {
  channel: C;
  /** The sender of e-mail. */
  from: { address: string; name: string } | undefined;
  now: () => number;
  /** Stores messages; one entry each. */
  add: (messages: CapturedMessage[]) => Promise<Array<undefined | Error>>;
}): Provider<C> {
  const { channel, from, now } = options;
  const batches = createBatcher<CapturedMessage, undefined>({
    run: options.add,
    maxItems: 100,
  });
  return {
    name: "capture",
    channel,
    async send(message: Messages[C]) {
      const { user, replyTo, fromName, ...kept } = message as Messages["email"];
      try {
        await batches.submit({
          ...kept,
          user_id: user,
          channel,
          at: now(),
          ...(from !== undefined && { from: `${fromName ?? from.name} <${from.address}>` }),
          ...(replyTo !== undefined && { reply_to: replyTo }),
        });
        return {};
      } catch (error) {
        throw new SendError({ kind: "retry", code: "CAPTURE", text: (error as Error).message }, error);
      }
    },
    close: () => batches.drained(),
  };
}
