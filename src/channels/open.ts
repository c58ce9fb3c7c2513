import type { Message, Provider } from "../model/channel.ts";
import { createCaptureProvider } from "./capture.ts";
import { channels, isConfigured } from "./index.ts";
import type { ChannelModule, ProviderModule, ProviderPartners, Settings } from "./module.ts";

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

/** The providers of each channel, in the order in which they are tried. */
export async function openProviders(config: Settings, partners: ProviderPartners): Promise<OpenChannel[]> {
  const opened = channels.map(async (rules): Promise<OpenChannel> => {
    const wanted = namesFor(rules, config);
    return { rules, providers: await Promise.all(wanted.map((name) => open(rules, name, config, partners))) };
  });
  return Promise.all(opened);
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

async function open(
  channel: ChannelModule,
  name: string,
  config: Settings,
  partners: ProviderPartners,
): Promise<OpenProvider> {
  const module = channel.providers.find((one) => one.name === name);
  if (!module) {
    const from = channel.capture?.sender?.(config);
    return { provider: createCaptureProvider({ channel: channel.name, from, ...partners }), cost: () => 1 };
  }
  return {
    provider: await module.open(config, partners),
    rate: module.rate === undefined ? undefined : (config[module.rate] as OpenProvider["rate"]),
    cost: module.cost ?? (() => 1),
  };
}
