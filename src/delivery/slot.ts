import type { OpenProvider } from "../channels/open.ts";
import type { Message, Provider } from "../model/channel.ts";
import { type AttemptOutcome, SendError } from "../model/delivery.ts";
import { createJudge, type Judge } from "./judge.ts";
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

export interface Availability {
  /** How many sends may run now: any number, one as a probe, or none. */
  limit: number;
  /** With a limit of 0: when to ask again (Unix ms). */
  until?: number;
}

/** For `/readyz?verbose`, metrics and logs. */
export interface HealthState {
  state: "ok" | "paused" | "open";
  /** The code of the last answer. */
  code?: string;
  /** The last answer without addresses, because `/readyz` is public. */
  text?: string;
  /** One sentence that tells the operator what to do. */
  remedy?: string;
  since?: number;
  /** When the next attempt is allowed. */
  until?: number;
}

export interface Health {
  availability(): Availability;
  /** Permission for one attempt; call the result with its outcome. Undefined while the provider is paused. */
  enter(): ((outcome: AttemptOutcome) => void) | undefined;
  /** Decides, before the outcome is reported, whether a refusal is about the recipient or about us. */
  judge: Judge;
  state(): HealthState;
}

const openAfter = 5;
const firstProbeMs = 1_000;
const longestProbeMs = 30_000;
const misconfiguredPauseMs = 60_000;
const unreachableRemedy =
  "Check that the provider is up and that this machine can reach it. Belfry retries automatically.";

interface Said {
  code: string;
  text: string;
}

/**
 * Decides whether a provider is used. Five failures in a row open the breaker: then one attempt at a time is allowed, at
 * growing intervals, until one succeeds. A refusal of our configuration pauses the provider for a minute, because every
 * message would be refused.
 */
export function createHealth(options: { now: () => number; onChange: (state: HealthState) => void }): Health {
  const { now, onChange } = options;
  let current: HealthState = { state: "ok" };
  let failures = 0;
  let probeMs = firstProbeMs;
  let probing = false;

  function become(next: HealthState): void {
    const changed = next.state !== current.state;
    current = next;
    if (changed) onChange(next);
  }

  function pause(state: "paused" | "open", { code, text }: Said, remedy: string, ms: number): void {
    const since = current.state === state ? (current.since ?? now()) : now();
    become({ state, code, text: withoutAddresses(text), remedy, since, until: now() + ms });
  }

  function learn(outcome: AttemptOutcome): void {
    const ailing =
      (outcome.kind === "unknown" && outcome.ailing !== false) ||
      (outcome.kind === "retry" && outcome.ailing === true);
    if (outcome.kind === "misconfigured") {
      pause("paused", outcome, outcome.remedy, misconfiguredPauseMs);
    } else if (!ailing) {
      failures = 0;
      probeMs = firstProbeMs;
      become({ state: "ok" });
    } else if (++failures >= openAfter) {
      pause("open", outcome, unreachableRemedy, probeMs);
      probeMs = Math.min(probeMs * 2, longestProbeMs);
    }
  }

  return {
    availability() {
      if (current.state === "ok") return { limit: Number.POSITIVE_INFINITY };
      const until = current.until as number;
      if (until > now()) return { limit: 0, until };
      return probing ? { limit: 0, until: now() + firstProbeMs } : { limit: 1 };
    },
    enter() {
      if (this.availability().limit === 0) return undefined;
      const isProbe = current.state !== "ok";
      if (isProbe) probing = true;
      return (outcome) => {
        if (isProbe) probing = false;
        // Attempts that began before the breaker opened add no information, unless one succeeded.
        else if (current.state === "open" && outcome.kind !== "sent" && outcome.kind !== "misconfigured")
          return;
        learn(outcome);
      };
    },
    judge: createJudge(now),
    state: () => current,
  };
}

/** Keeps an e-mail address's domain and a number's first digits, which is enough to recognise a sender of ours. */
function withoutAddresses(text: string): string {
  return text
    .replace(/[^\s<>"'(,;:]+@/g, "…@")
    .replace(/\+?\d{8,}/g, (number) => `${number.slice(0, 4)}…`)
    .slice(0, 500);
}
