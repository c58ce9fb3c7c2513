import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../../test/support/eventually.ts";
import { startRabbitmq } from "../../test/support/rabbitmq.ts";
import { onStage, type Place, type Result } from "../stage.ts";

const workers = 2;

/** RabbitMQ is killed under load and started again, on the same data: the API goes on accepting, the workers sending. */
export async function broker(
  place: Place,
  { kills, perSecond }: { kills: number; perSecond: number },
): Promise<Result> {
  const rabbitmq = await startRabbitmq();
  try {
    return await onStage(
      { scenario: "RabbitMQ", place, mayBe: [], variables: () => ({ AMQP_URL: rabbitmq.url }) },
      async ({ fleet, load, random, fault }) => {
        await Promise.all([fleet.add("api", 2), fleet.add("worker", workers)]);
        const connected = () =>
          eventually(
            async () =>
              (await Promise.all(fleet.urls().map(brokerState))).every((one) => one === "connected"),
            "every API is connected to RabbitMQ again",
            30,
          );
        await connected();
        const callers = load({ perSecond });
        for (let kill = 1; kill <= kills; kill++) {
          await pause(500 + random() * 1_000);
          const back = fault("RabbitMQ");
          await rabbitmq.kill();
          await pause(random() * 1_000);
          await rabbitmq.start();
          back();
          await connected();
          place.say(`  ${kill} of ${kills} kills`);
        }
        callers.stop();
        await callers.done;
        return {
          played: `${kills} kills of RabbitMQ, ${perSecond} creates a second, 2 APIs, ${workers} workers`,
          // A lost or doubled hint is no reason to send anything twice.
          duplicatesAllowed: 0,
        };
      },
    );
  } finally {
    await rabbitmq.close();
  }
}

async function brokerState(url: string): Promise<string | undefined> {
  const response = await fetch(`${url}/readyz?verbose`);
  return ((await response.json()) as { broker?: { state: string } }).broker?.state;
}
