import { callbacksOf } from "./channels/index.ts";
import { createUrlCheck } from "./channels/webhook/guard.ts";
import { webhookRules } from "./channels/webhook/webhook.ts";
import type { Config } from "./config/table.ts";
import type { Core } from "./core/core.ts";
import type { Links } from "./core/links.ts";
import { createProfiles } from "./core/profile.ts";
import { createSimulatorSwitch } from "./core/simulator-switch.ts";
import { createStats } from "./core/stats.ts";
import type { Engine } from "./delivery/engine.ts";
import type { ApiParts } from "./http/server.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Hub } from "./realtime/hub.ts";
import type { Store } from "./store/index.ts";

/** The parts behind the API routes. `onOpen` gets the closer of each part that was opened. */
export function openApi(
  config: Config,
  parts: {
    store: Store;
    core: Core;
    engine: Engine | undefined;
    hub: Hub | undefined;
    links: Links;
    tokens: ApiParts["tokens"];
    metrics: Metrics;
    moveClock: ApiParts["moveClock"];
    log: Logger;
  },
  onOpen: (close: () => Promise<unknown> | unknown) => void,
): ApiParts {
  const { store, core, engine, hub, links, tokens, metrics, moveClock, log } = parts;
  const { now } = store;
  const simulator = createSimulatorSwitch(core.notify, now, log, config.SIMULATOR_INTERVAL_SECONDS);
  onOpen(simulator.stop);
  const connections = () => hub?.size.connections ?? 0;
  const stats = createStats({ totals: metrics.totals, depth: store.deliveries.depth, connections, now });
  onOpen(stats.stop);
  stats.start();
  return {
    core,
    store,
    engine,
    simulator,
    stats,
    tokens,
    links,
    profiles: createProfiles(store, createUrlCheck(webhookRules(config)), engine?.forget),
    callbacks: callbacksOf(config),
    moveClock,
  };
}
