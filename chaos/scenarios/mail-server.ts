import { setTimeout as pause } from "node:timers/promises";
import { type FaultyLine, startProxy } from "../proxy.ts";
import { concurrency, onStage, type Place, type Result } from "../stage.ts";

const workers = 2;

/**
 * The mail server goes away and comes back (connections reset, then refused), and its network goes half-open: bytes
 * vanish, so that neither side learns anything until the connection dies.
 */
export async function mailServer(
  place: Place,
  { rounds, seconds, perSecond }: { rounds: number; seconds: number; perSecond: number },
): Promise<Result> {
  let proxy: FaultyLine | undefined;
  try {
    return await onStage(
      {
        scenario: "mail server",
        place,
        mayBe: [],
        async variables(sink) {
          proxy = await startProxy(sink.port);
          return { SMTP_PORT: String(proxy.port) };
        },
      },
      async ({ fleet, load, random, fault, db, sink }) => {
        const { mend, stall, die } = proxy as FaultyLine;
        await Promise.all([fleet.add("api", 1), fleet.add("worker", workers)]);
        const callers = load({ perSecond });
        const between = () => pause(1_000 + random() * 1_000);
        for (let round = 1; round <= rounds; round++) {
          await between();
          const back = fault("away");
          await die();
          await pause(seconds * 1_000);
          await mend();
          back();
          await waitForMail(sink.mails.length);
          await between();
          const whole = fault("half-open");
          stall();
          await pause(seconds * 1_000);
          await die();
          await mend();
          whole();
          await waitForMail(sink.mails.length);
          place.say(`  ${round} of ${rounds} rounds`);
        }
        callers.stop();
        await callers.done;
        const [{ failed } = { failed: 0 }] = await db
          .collection("deliveries")
          .aggregate<{ failed: number }>([
            { $unwind: "$attempts" },
            { $match: { "attempts.outcome": { $ne: "sent" } } },
            { $count: "failed" },
          ])
          .toArray();
        return {
          played: `${rounds} × ${seconds} s away and ${rounds} × ${seconds} s half-open, ${perSecond} creates a second, 1 API, ${workers} workers`,
          // Whatever is under way when a connection breaks may have arrived.
          duplicatesAllowed: 2 * rounds * workers * concurrency,
          notes: [
            `The outages cost ${failed} attempts, of deliveries that all were sent in the end: the breaker lets only probes through.`,
          ],
        };

        /** The breaker may rest for up to 30 s before it asks again. */
        async function waitForMail(count: number): Promise<void> {
          const deadline = Date.now() + 40_000;
          while (sink.mails.length <= count) {
            if (Date.now() > deadline) throw new Error("no mail went out after the mail server's return");
            await pause(50);
          }
        }
      },
    );
  } finally {
    await proxy?.close();
  }
}
