import { setTimeout as pause } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { oneOf } from "./random.ts";

export const readFailures = [
  { closeConnection: true },
  { errorCode: 10107 }, // NotWritablePrimary
  { errorCode: 11602 }, // InterruptedDueToReplStateChange
];
const share = 0.1;
const cappedPositionLost = 136;

/** Fails one in ten of the service's commands, each few hundred milliseconds other ones in another way; answers how many. */
export function failNowAndThen(
  mongoUri: string,
  options: { commands: string[]; failures: object[]; random: () => number; until: () => boolean },
): Promise<number> {
  const { commands, failures, random, until } = options;
  return failing(mongoUri, async (fail) => {
    while (!until()) {
      const failCommands = commands.filter(() => random() < 0.5);
      await fail({ activationProbability: share }, { failCommands, ...oneOf(failures, random) });
      await pause(100 + random() * 400);
    }
  });
}

/** Says to each instance that it fell behind the hints of the others; answers how often. */
export function loseHints(mongoUri: string, database: string): Promise<number> {
  return failing(mongoUri, async (fail) => {
    const namespace = `${database}.hints`;
    await fail("alwaysOn", { failCommands: ["getMore"], namespace, errorCode: cappedPositionLost });
    // A cursor asks again after five seconds at the latest.
    await pause(5_500);
  });
}

type Mode = "alwaysOn" | { activationProbability: number };

/** Answers how many of the service's commands failed until `act` had ended. */
async function failing(
  mongoUri: string,
  act: (fail: (mode: Mode, data: object) => Promise<unknown>) => Promise<void>,
): Promise<number> {
  const client = new MongoClient(mongoUri);
  const set = (mode: Mode | "off", data?: object) =>
    client.db("admin").command({ configureFailPoint: "failCommand", mode, ...(data && { data }) });
  try {
    // It counts from the server's start.
    const before = (await set("off")).count;
    await act((mode, data) => set(mode, { ...data, appName: "belfry" })).finally(() => set("off"));
    return (await set("off")).count - before;
  } finally {
    await client.close();
  }
}
