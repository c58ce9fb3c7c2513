import type { Given } from "./arguments.ts";
import { CommandError, withConnection } from "./session.ts";
import { terminal, watched } from "./terminal.ts";

const unauthorized = 13;

export const shard = {
  usage: "shard",
  description: "Shard users and deliveries by user, on a sharded cluster of MongoDB",
  options: {
    "dry-run": { description: "print the commands only" },
  },
  examples: ["belfry shard --dry-run", "belfry shard"],
  async run(given: Given): Promise<void> {
    const { OtherShardKey, shardSteps } = await import("../store/shard.ts");
    await withConnection(async ({ db, routed }) => {
      if (!routed)
        throw new CommandError(
          "MongoDB is not a sharded cluster here: DB_URI must name its mongos. A replica set needs no sharding.",
        );
      const steps = await shardSteps(db).catch((error: Error) => {
        throw error instanceof OtherShardKey ? new CommandError(error.message) : refused(error);
      });
      for (const step of steps) {
        terminal.print(step.shown);
        if (!given.flags.has("dry-run"))
          await watched(`waiting for ${step.shown}`, step.run()).catch((error: Error) => {
            throw refused(error);
          });
      }
      terminal.note(
        steps.length === 0
          ? "users and deliveries are sharded by user already. Nothing to do."
          : given.flags.has("dry-run")
            ? "Nothing was changed."
            : "users and deliveries are sharded by user.",
      );
    });
  },
};

function refused(error: Error & { code?: unknown }): Error {
  return error.code === unauthorized
    ? new CommandError(
        `The user of DB_URI may not do this (${error.message}). Run it with a user that has the role clusterManager.`,
      )
    : error;
}
