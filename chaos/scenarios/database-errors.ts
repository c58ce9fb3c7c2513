import { failNowAndThen, readFailures } from "../fail-command.ts";
import { fewest, onStage, type Place, type Result, withOption } from "../stage.ts";

const commands = ["insert", "update", "bulkWrite", "commitTransaction", "find", "aggregate"];
const failures = [
  ...readFailures,
  { writeConcernError: { code: 91, errmsg: "shutdown in progress" } },
  { writeConcernError: { code: 64, errmsg: "waiting for replication timed out" } },
];

/** MongoDB fails one command in ten, each few hundred milliseconds in another way (`failCommand`). */
export function databaseErrors(
  place: Place,
  { seconds, perSecond, leaseMs }: { seconds: number; perSecond: number; leaseMs: number },
): Promise<Result> {
  return onStage(
    {
      scenario: "MongoDB errors",
      place,
      // A server that only claims to step down tells the driver so at the next heartbeat alone, by default after 10 s.
      mongoUri: withOption(place.mongoUri, "heartbeatFrequencyMS=500"),
      mayBe: ["503"],
      variables: () => ({ LEASE_MS: String(leaseMs) }),
    },
    async ({ fleet, load, random, fault }) => {
      await Promise.all([fleet.add("api", 2), fleet.add("worker", 2)]);
      const callers = load({ perSecond });
      const ended = Date.now() + seconds * 1_000;
      const over = fault("failCommand");
      const injected = await failNowAndThen(place.mongoUri, {
        commands,
        failures,
        random,
        until: () => Date.now() >= ended && callers.acknowledged() >= fewest,
      });
      over();
      callers.stop();
      await callers.done;
      return {
        played: `${seconds} s in which one command in ten failed, leases of ${leaseMs / 1000} s, at most ${perSecond} creates a second, 2 APIs, 2 workers`,
        // An outcome is stored again and again while the lease lasts, which is longer than the trouble between two tries.
        duplicatesAllowed: 0,
        notes: [`MongoDB failed ${injected} commands.`],
      };
    },
  );
}
