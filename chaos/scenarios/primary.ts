import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../../test/support/eventually.ts";
import { startReplicaSet } from "../../test/support/replica-set.ts";
import { concurrency, onStage, type Place, type Result } from "../stage.ts";

const workers = 2;

/**
 * A replica set of three whose primary is killed (`kill -9`) time and again. Until the others have elected a new one the
 * answer is 503 with `Retry-After`, and nothing else.
 */
export async function primary(
  place: Place,
  options: { kills: number; perSecond: number; electionMs: number; leaseMs: number },
): Promise<Result> {
  const { kills, perSecond, electionMs, leaseMs } = options;
  const set = await startReplicaSet(place.folder, { electionMs });
  try {
    return await onStage(
      {
        scenario: "primary killed",
        place,
        mongoUri: set.uri,
        mayBe: ["503"],
        variables: () => ({ LEASE_MS: String(leaseMs) }),
      },
      async ({ fleet, load, random, fault }) => {
        await Promise.all([fleet.add("api", 2), fleet.add("worker", workers)]);
        const callers = load({ perSecond });
        const outages: number[] = [];
        for (let kill = 1; kill <= kills; kill++) {
          await pause(1_000 + random() * 1_000);
          const answered = fault("primary");
          const restart = await set.killPrimary();
          const killedAt = Date.now();
          const again = await eventually(
            () => [...callers.answers.values()].find((one) => one.status === 201 && one.begun > killedAt),
            "creates are acknowledged again",
            60,
          );
          outages.push(again.begun + again.ms - killedAt);
          answered();
          await restart();
          place.say(`  ${kill} of ${kills} kills`);
        }
        callers.stop();
        await callers.done;
        const longest = Math.max(...outages);
        return {
          played: `${kills} kills of the primary, election timeout ${electionMs / 1000} s, leases of ${leaseMs / 1000} s, ${perSecond} creates a second, 2 APIs, ${workers} workers`,
          // A mail whose outcome could not be stored before its lease ran out goes out once more.
          duplicatesAllowed: kills * workers * concurrency,
          notes: [`Without a primary for ${(longest / 1000).toFixed(1)} s at the longest.`],
          problems: longest > outageAllowedMs ? [`an outage of ${longest} ms`] : [],
        };
      },
    );
  } finally {
    await set.close();
  }
}

const outageAllowedMs = 15_000;
