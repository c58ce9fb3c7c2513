import type { OpenProvider } from "../channels/open.ts";
import type { Message, Provider } from "../model/channel.ts";
import { SendError } from "../model/delivery.ts";
import { type Availability, createHealth, type Health } from "./health.ts";
import { createRateLimit, type RateLimit } from "./rate.ts";
import type { WorkerOptions } from "./worker.ts";

/** A provider with its health and rate. */
export interface ProviderSlot {
  provider: Provider;
  health: Health;
  rate?: RateLimit;
  /** How much of the rate a message uses: an SMS uses one per segment. */
  cost: (message: Message) => number;
}

/** If the rate limit requires a longer wait, the delivery goes back to pending instead of keeping a slot. */
export const ratePatienceMs = 2_000;

/** Logs when the provider's health changes. */
export function createSlot(
  { provider, rate, cost }: OpenProvider,
  { now, log }: Pick<WorkerOptions, "now" | "log">,
): ProviderSlot {
  const health = createHealth({
    now,
    onChange({ state, ...details }) {
      const which = { channel: provider.channel, provider: provider.name };
      if (state === "ok") log.info(which, "the provider works again");
      else
        log.warn(
          { ...which, state, ...details },
          state === "open"
            ? "the provider fails: it is paused and checked at intervals until it answers"
            : "the provider refuses our configuration: it is paused until the configuration is corrected",
        );
    },
  });
  return { provider, health, cost, ...(rate && { rate: createRateLimit(rate, now, ratePatienceMs) }) };
}

/** When a provider that is not available now may be tried again. */
export const restOf = (availability: Availability, now: number): number => availability.until ?? now + 1_000;

/** How many sends a channel can take now: as many as its best provider. */
export function channelAvailability(slots: ProviderSlot[], now: number): Availability {
  if (slots.length === 0) return { limit: Number.POSITIVE_INFINITY };
  const all = slots.map((slot) => slot.health.availability());
  const limit = Math.max(...all.map((one) => one.limit));
  return limit > 0 ? { limit } : { limit, until: Math.min(...all.map((one) => restOf(one, now))) };
}

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
