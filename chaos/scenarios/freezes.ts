import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../../test/support/eventually.ts";
import type { SmtpBehaviour } from "../../test/support/smtp.ts";
import { oneOf } from "../random.ts";
import { concurrency, fewest, onStage, type Place, type Result } from "../stage.ts";

const leaseMs = 1_000;

/**
 * A worker is stopped for two lease times (SIGSTOP) and then goes on (SIGCONT): what it held is sent by the other one
 * meanwhile, and what it says afterwards is refused. `takeoverMs`: how long it may take until all that is sent.
 */
export function freezes(
  place: Place,
  options: { freezes: number; perSecond: number; takeoverMs: number },
): Promise<Result> {
  // So slow that some sends are under way whenever it is frozen.
  const slowly: SmtpBehaviour = {
    options: { onRcptTo: (_address, _session, callback) => void setTimeout(callback, 50) },
  };
  const { freezes: count, perSecond, takeoverMs } = options;
  return onStage(
    {
      scenario: "freeze",
      place,
      smtp: slowly,
      mayBe: [],
      variables: () => ({ LEASE_MS: String(leaseMs) }),
    },
    async ({ fleet, load, random, fault, db }) => {
      const [workers] = await Promise.all([fleet.add("worker", 2), fleet.add("api", 1)]);
      const books = db.collection("deliveries");
      const callers = load({ perSecond });
      const takeovers: number[] = [];
      for (let freeze = 1; freeze <= count; freeze++) {
        const victim = oneOf(workers, random);
        await pause(200 + random() * 300);
        await eventually(
          async () => (await books.countDocuments({ state: "sending" })) > 0,
          "mails are under way",
        );
        const thaw = fault("worker");
        victim.signal("SIGSTOP");
        const frozenAt = Date.now();
        const held = await books.find({ state: "sending" }, { projection: { _id: 1 } }).toArray();
        const ids = held.map((one) => one._id);
        // Of those, the other worker's are soon done; the frozen one's when they have been taken over.
        await eventually(
          async () => (await books.countDocuments({ _id: { $in: ids }, state: { $ne: "sent" } })) === 0,
          "what it held is sent by the other worker",
          30,
        );
        takeovers.push(Date.now() - frozenAt);
        await pause(2 * leaseMs - (Date.now() - frozenAt));
        victim.signal("SIGCONT");
        thaw();
        if (freeze % 10 === 0) place.say(`  ${freeze} freezes`);
      }
      await eventually(() => callers.acknowledged() >= fewest, `${fewest} are acknowledged`, 60);
      callers.stop();
      await callers.done;
      const longest = Math.max(...takeovers);
      return {
        played: `${count} freezes of ${(2 * leaseMs) / 1000} s, ${perSecond} creates a second, 1 API, 2 workers`,
        duplicatesAllowed: count * concurrency,
        notes: [
          `The other worker sent a frozen one's deliveries after ${(longest / 1000).toFixed(1)} s at the longest (a lease is ${leaseMs / 1000} s).`,
        ],
        problems: longest > takeoverMs ? [`a takeover took ${longest} ms`] : [],
      };
    },
  );
}
