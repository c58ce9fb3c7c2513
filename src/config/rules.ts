import { isIP } from "node:net";
import { channels, providersOf } from "../channels/index.ts";
import type { ChannelModule, Settings } from "../channels/module.ts";
import { readPublicKey } from "../core/tokens.ts";
import type { Config } from "./table.ts";

/**
 * Settings that do not fit together, as sentences. `wrong`: variables that have a problem already; they count as set,
 * so that one mistake is reported once.
 */
export function contradictions(config: Config, wrong: Set<string>): string[] {
  const problems: string[] = [];
  const isSet = (name: string) => (config as Settings)[name] !== undefined || wrong.has(name);
  if (!wrong.has("HOST") && !isLoopback(config.HOST) && !isSet("API_KEYS") && config.AUTH === "on")
    problems.push(
      `HOST: ${config.HOST} can be reached by others, and no API key is set: set API_KEYS, or AUTH=off to let everyone in`,
    );
  for (const { providers } of channels)
    for (const provider of providers) problems.push(...(provider.problems?.({ config, isSet, wrong }) ?? []));
  problems.push(
    ...channels.flatMap((channel) => orderProblems(channel, config, isSet)),
    ...listenerProblems(config),
    ...(config.CLOCK === "virtual" ? virtualClockProblems(config, wrong) : []),
  );
  return problems;
}

function listenerProblems({ TOKEN_PUBLIC_KEY, TRUST_PROXY = [] }: Config): string[] {
  const problems: string[] = [];
  try {
    if (TOKEN_PUBLIC_KEY !== undefined) readPublicKey(TOKEN_PUBLIC_KEY);
  } catch (error) {
    problems.push(`TOKEN_PUBLIC_KEY: ${(error as Error).message}`);
  }
  if (TRUST_PROXY.some((network) => /\/0+$/.test(network)))
    problems.push(
      "TRUST_PROXY: must name your own proxies: with everybody, any caller could claim any address",
    );
  return problems;
}

/** Virtual time would send real messages days too early, and belongs to one process. */
function virtualClockProblems(config: Config, wrong: Set<string>): string[] {
  const problems = channels.flatMap((channel) =>
    providersOf(channel, config).flatMap((name) => {
      const { key } = channel.providers.find((one) => one.name === name) ?? {};
      if (key === undefined) return [];
      const captured = channel.order === undefined ? "" : `, or set ${channel.order}=capture`;
      return [`CLOCK: is virtual, but ${name} would send real messages: remove ${key}${captured}`];
    }),
  );
  if (config.AMQP_URL !== undefined)
    problems.push("CLOCK: is virtual, and RabbitMQ leads to processes with other clocks: remove AMQP_URL");
  for (const role of ["api", "worker"])
    if (!wrong.has("ROLES") && !config.ROLES.includes(role))
      problems.push(`CLOCK: is virtual for one process, which needs the role ${role}: add it to ROLES`);
  return problems;
}

type IsSet = (name: string) => boolean;

/** The operator's order of a channel's providers names each once, and only configured ones. */
function orderProblems({ order, providers }: ChannelModule, config: Config, isSet: IsSet): string[] {
  if (order === undefined) return [];
  const named = (config as Settings)[order] as string[] | undefined;
  const problems = (named ?? []).flatMap((name) => {
    const { key } = providers.find((one) => one.name === name) ?? {};
    return key !== undefined && !isSet(key)
      ? [`${order}: names ${name}, whose variables are not set: set ${key} or remove ${name}`]
      : [];
  });
  if (named && new Set(named).size < named.length) problems.push(`${order}: must not name a provider twice`);
  return problems;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
