import { setTimeout as pause } from "node:timers/promises";
import { startCluster } from "../../test/support/cluster.ts";
import type { Place } from "../stage.ts";
import { type LiveOptions, type LiveResult, live } from "./live.ts";

/** `live` on a sharded cluster: the primary of a shard, the router and the config server are killed in turn meanwhile. */
export async function clusterLive(
  place: Place,
  options: LiveOptions & { electionMs: number; pauseMs: number },
): Promise<LiveResult> {
  const { electionMs, pauseMs } = options;
  const servers = await startCluster({ electionMs });
  const strikes = [servers.killPrimary, servers.killRouter, servers.killConfig];

  async function breakThem(isOver: () => boolean): Promise<string> {
    let kills = 0;
    while (!isOver()) {
      const strike = strikes[kills % strikes.length] as (typeof strikes)[number];
      const restart = await strike();
      kills++;
      place.say(`  kill ${kills} of a server`);
      await restart();
      await pause(pauseMs);
    }
    return `${kills} kills of a shard's primary, the router and the config server in turn, election timeout ${electionMs / 1_000} s.`;
  }

  try {
    const there = { ...place, mongoUri: servers.uri };
    return await live(there, options, { scenario: "live, sharded cluster", breakThem });
  } finally {
    await servers.close();
  }
}
