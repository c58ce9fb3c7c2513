import { SendError } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { Messages, Provider } from "../model/provider.ts";

const lastWordMs = 50;

type Taken = Awaited<ReturnType<Provider["send"]>>;

/**
 * Sends one message and settles within `ms`, whatever the provider does: without this bound, a counterpart that drips
 * bytes or never ends its answer would keep a delivery in hand for ever, and a few of them would stop the channel.
 * At the deadline the signal is aborted, so that the provider destroys its socket. The outcome is `unknown`, unless the
 * provider answers the signal at once with something more exact. A result that comes later is ignored.
 */
export async function sendWithin(ms: number, provider: Provider, message: Messages[Channel]): Promise<Taken> {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text = `${provider.name} did not finish within ${ms} ms`;
      // One target's silence says nothing about the other targets.
      const ailing = provider.channel === "webhook" ? { ailing: false as const } : {};
      const late = () => reject(new SendError({ kind: "unknown", code: "TIMEOUT", text, ...ailing }));
      ended.abort();
      // A provider that stops at the signal may know more: that nothing was handed over, for example.
      timer = setTimeout(late, lastWordMs);
    }, ms);
  });
  try {
    return await Promise.race([provider.send(message, ended.signal), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
