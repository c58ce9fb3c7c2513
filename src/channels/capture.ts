import { createBatcher } from "../lib/batcher.ts";
import type { CapturedMessage, Message, Provider } from "../model/channel.ts";
import { SendError } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { Sender } from "./module.ts";

/** Fields of every channel's messages. */
type Captured = Message &
  Omit<CapturedMessage, "user_id" | "channel" | "at"> & {
    replyTo?: string;
    fromName?: string;
    headers?: object;
  };

export type Capture = (messages: Array<Omit<CapturedMessage, "at">>) => Promise<Array<undefined | Error>>;

/** Keeps what would have been sent, for a channel without a provider. Webhooks need none and are never captured. */
export function createCaptureProvider(
  channel: Channel,
  from: Sender | undefined,
  capture: Capture,
): Provider {
  const batches = createBatcher<Omit<CapturedMessage, "at">, undefined>({ run: capture, maxItems: 100 });
  return {
    name: "capture",
    channel,
    async send(message) {
      const { user, replyTo, fromName, headers: _headers, target: _target, ...kept } = message as Captured;
      try {
        await batches.submit({
          ...kept,
          user_id: user,
          channel,
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
