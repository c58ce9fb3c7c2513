import { eventually } from "../../test/support/eventually.ts";
import { untilQuiet } from "../audit.ts";
import { auditDigests, digestEmail } from "../audit-digests.ts";
import { oneOf } from "../random.ts";
import { concurrency, drainSeconds, onStage, type Place, type Result, type StageOptions } from "../stage.ts";

const each = 2;
/** What the dead held is taken over soon. */
const leaseMs = 2_000;

/**
 * `kill -9` of an API or a worker, whichever it hits, at random moments of the load. The dead are started again at
 * once, while the load goes on; it waits when a kill is overdue.
 */
export const kills = (place: Place, numbers: Numbers): Promise<Result> =>
  killing({ scenario: "kill -9" }, place, numbers);

/** The same while mails are gathered: two seconds of a user's creates in each. */
export const digests = (place: Place, numbers: Numbers): Promise<Result> =>
  killing({ scenario: "digests", email: digestEmail, audit: auditDigests }, place, numbers);

interface Numbers {
  creates: number;
  kills: number;
}

function killing(
  options: Pick<StageOptions, "scenario" | "email" | "audit">,
  place: Place,
  { creates, kills: count }: Numbers,
): Promise<Result> {
  return onStage(
    {
      ...options,
      place,
      mayBe: ["503", "unanswered"],
      variables: () => ({ LEASE_MS: String(leaseMs) }),
    },
    async ({ fleet, load, random, fault, db }) => {
      await Promise.all([fleet.add("api", each), fleet.add("worker", each)]);
      const moments = Array.from({ length: count }, () => Math.floor(random() * creates)).toSorted(
        (a, b) => a - b,
      );
      const callers = load({ creates });
      const slack = creates / count;
      const killed = { api: 0, worker: 0 };
      let failure: Error | undefined;
      const untilTrue = (check: () => boolean, what: string) =>
        eventually(
          () => {
            if (failure) throw failure;
            return check();
          },
          what,
          60,
        );
      for (const [index, moment] of moments.entries()) {
        callers.holdAt(moment + slack);
        await untilTrue(() => callers.acknowledged() >= moment, `${moment} are acknowledged`);
        const victim = oneOf(fleet.members, random);
        await untilTrue(() => victim.up, "the next victim is up again");
        fault(victim.role);
        killed[victim.role]++;
        void victim
          .kill()
          .then(() => victim.start())
          .catch((error: Error) => {
            failure = error;
          });
        if ((index + 1) % 20 === 0)
          place.say(`  ${index + 1} kills, ${callers.acknowledged()} creates acknowledged`);
      }
      await untilTrue(() => fleet.members.every((one) => one.up), "all are up again");
      callers.holdAt(Number.POSITIVE_INFINITY);
      await callers.done;
      await untilQuiet(db, drainSeconds);
      const givenUp = await redrivePoison(fleet.urls()[0] as string);
      return {
        played: `${creates} creates, ${each} APIs, ${each} workers: ${killed.api} kills of an API, ${killed.worker} of a worker`,
        // Only what sends can send twice.
        duplicatesAllowed: killed.worker * concurrency,
        notes: [
          `${givenUp} deliveries were given up as poison, three workers having been killed while they sent them; redriven, they were sent.`,
        ],
      };
    },
  );
}

/** Three kills in a row during one delivery's send are a poison job by all that can be known: an operator decides. */
export async function redrivePoison(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/deliveries/redrive`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status: "failed", reason: "poison" }),
  });
  return ((await response.json()) as { redriven: number }).redriven;
}
