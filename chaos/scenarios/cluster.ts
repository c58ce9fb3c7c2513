import { setTimeout as pause } from "node:timers/promises";
import { startCluster } from "../../test/support/cluster.ts";
import { eventually } from "../../test/support/eventually.ts";
import { oneOf } from "../random.ts";
import { concurrency, onStage, type Place, type Result } from "../stage.ts";

const each = 2;

/**
 * A sharded cluster under load: the primary of a shard, the router, the config server, an API or a worker is killed (`kill -9`), in
 * turn, and comes back. Requests that need the dead part are answered with 503.
 */
export async function cluster(
  place: Place,
  options: { kills: number; perSecond: number; electionMs: number; leaseMs: number },
): Promise<Result> {
  const { kills, perSecond, electionMs, leaseMs } = options;
  const servers = await startCluster({ electionMs });
  try {
    return await onStage(
      {
        scenario: "sharded cluster",
        place,
        mongoUri: servers.uri,
        mayBe: ["503", "unanswered"],
        variables: () => ({ LEASE_MS: String(leaseMs) }),
      },
      async ({ fleet, load, random, fault }) => {
        await Promise.all([fleet.add("api", each), fleet.add("worker", each)]);
        const killMember = async (role: "api" | "worker") => {
          const victim = oneOf(
            fleet.members.filter((one) => one.role === role),
            random,
          );
          await victim.kill();
          return () => victim.start();
        };
        const victims: Array<[string, () => Promise<() => Promise<void>>]> = [
          ["shard's primary", () => servers.killPrimary()],
          ["router", () => servers.killRouter()],
          ["config server", () => servers.killConfig()],
          ["worker", () => killMember("worker")],
          ["api", () => killMember("api")],
        ];
        const callers = load({ perSecond });
        const outages: number[] = [];
        for (let kill = 0; kill < kills; kill++) {
          await pause(1_000 + random() * 1_000);
          const [what, strike] = victims[kill % victims.length] as (typeof victims)[number];
          const answered = fault(what);
          const restart = await strike();
          const killedAt = Date.now();
          const restarted = restart();
          const again = await eventually(
            () => [...callers.answers.values()].find((one) => one.status === 201 && one.begun > killedAt),
            "creates are acknowledged again",
            60,
          );
          outages.push(again.begun + again.ms - killedAt);
          answered();
          await restarted;
          place.say(`  ${kill + 1} of ${kills} kills`);
        }
        callers.stop();
        await callers.done;
        const longest = Math.max(...outages);
        return {
          played: `${kills} kills of ${victims.map(([what]) => what).join(", ")} in turn, two shards, election timeout ${electionMs / 1000} s, leases of ${leaseMs / 1000} s, ${perSecond} creates a second, ${each} APIs, ${each} workers`,
          // A mail whose outcome could not be stored before its lease ran out goes out once more.
          duplicatesAllowed: kills * each * concurrency,
          notes: [`Without an acknowledged create for ${(longest / 1000).toFixed(1)} s at the longest.`],
        };
      },
    );
  } finally {
    await servers.close();
  }
}
