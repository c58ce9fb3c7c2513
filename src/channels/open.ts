import type { Message, Provider } from "../model/channel.ts";
import { type Capture, createCaptureProvider } from "./capture.ts";
import { channels, isConfigured } from "./index.ts";
import type { ChannelModule, ProviderModule, Settings } from "./module.ts";

/** A provider that is ready to send, with its limit. */
export interface OpenProvider {
  provider: Provider;
  rate?: { count: number; perMs: number } | undefined;
  /** How much of the rate a message uses. */
  cost: (message: Message) => number;
}

export interface OpenChannel {
  rules: ChannelModule;
  providers: OpenProvider[];
}

/** The providers of each channel, in the order in which they are tried. `capture` keeps messages that nobody sends. */
export async function openProviders(
  config: Settings,
  capture: Capture,
  now: () => number,
): Promise<OpenChannel[]> {
  const opened = channels.map(async (rules): Promise<OpenChannel> => {
    const wanted = namesFor(rules, config);
    return { rules, providers: await Promise.all(wanted.map((name) => open(rules, name))) };
  });
  return Promise.all(opened);

  async function open(channel: ChannelModule, name: string): Promise<OpenProvider> {
    const module = channel.providers.find((one) => one.name === name);
    if (!module) {
      const from = channel.capture?.sender?.(config);
      return { provider: createCaptureProvider(channel.name, from, capture, now), cost: () => 1 };
    }
    return {
      provider: await module.open(config, now),
      rate: module.rate === undefined ? undefined : (config[module.rate] as OpenProvider["rate"]),
      cost: module.cost ?? (() => 1),
    };
  }
}

/** The operator's order, or every configured one; capture only when there is no other. */
function namesFor({ providers, order, capture }: ChannelModule, config: Settings): string[] {
  const named = order === undefined ? undefined : (config[order] as string[] | undefined);
  if (named) return named;
  const usable = providers.filter((one) => isConfigured(one, config));
  if (usable.length === 0 && capture) return ["capture"];
  const first = (one: ProviderModule) => (one.preferred ? 0 : 1);
  return usable.sort((a, b) => first(a) - first(b)).map(({ name }) => name);
}
