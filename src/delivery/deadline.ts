import type { Message, Provider } from "../model/channel.ts";
import { SendError } from "../model/delivery.ts";

const lastWordMs = 50;

type Taken = Awaited<ReturnType<Provider["send"]>>;

/**
 * Sends one message and settles within `ms`. Without this limit, a few servers that send bytes slowly or never end their
 * answer would block the channel. At the deadline the signal is aborted, so that the provider destroys its socket. The
 * outcome is `unknown`, unless the provider reacts to the signal with a more exact one. A later result is ignored.
 */
export async function sendWithin(ms: number, provider: Provider, message: Message): Promise<Taken> {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text = `${provider.name} did not answer within ${ms} ms`;
      // One target that does not answer says nothing about the other targets.
      const ailing = provider.channel === "webhook" ? { ailing: false as const } : {};
      const late = () => reject(new SendError({ kind: "unknown", code: "TIMEOUT", text, ...ailing }));
      ended.abort();
      // A provider that reacts to the signal may know more, for example that nothing was handed over.
      timer = setTimeout(late, lastWordMs);
    }, ms);
  });
  try {
    return await Promise.race([provider.send(message, ended.signal), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
