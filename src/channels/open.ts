import type { Message, Provider } from "../model/channel.ts";
import { type Capture, createCaptureProvider } from "./capture.ts";
import { channels, providersOf } from "./index.ts";
import type { ChannelModule, Settings } from "./module.ts";

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

/**
 * The providers of each channel, in the order in which they are tried. `capture` keeps messages that nobody sends;
 * `now` is real time.
 */
export async function openProviders(
  config: Settings,
  capture: Capture,
  now: () => number,
): Promise<OpenChannel[]> {
  const opened = channels.map(async (rules): Promise<OpenChannel> => {
    const wanted = providersOf(rules, config);
    return { rules, providers: await Promise.all(wanted.map((name) => open(rules, name))) };
  });
  return Promise.all(opened);

  async function open(channel: ChannelModule, name: string): Promise<OpenProvider> {
    const module = channel.providers.find((one) => one.name === name);
    if (!module) {
      const from = channel.capture?.sender?.(config);
      return { provider: createCaptureProvider(channel.name, from, capture), cost: () => 1 };
    }
    return {
      provider: await module.open(config, now),
      rate: module.rate === undefined ? undefined : (config[module.rate] as OpenProvider["rate"]),
      cost: module.cost ?? (() => 1),
    };
  }
}
