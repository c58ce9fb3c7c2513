import { deliveryDto } from "../core/delivery-dto.ts";
import { createDigests } from "../core/digests.ts";
import type { DeliverySummary } from "../model/delivery-record.ts";
import { type Given, integer, userId } from "./arguments.ts";
import { idOf } from "./deliveries.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { safe, shortMomentOf, terminal, watched } from "./terminal.ts";

export const digests = {
  usage: "digests",
  description: "List open digests: what they gather, how much, and when they are sent",
  options: {
    user: { value: "<id>", description: "only this user's" },
    limit: { value: "<n>", description: "how many at most; 100 by default" },
    json: { description: "print JSON, one digest per line" },
  },
  examples: ["belfry digests", "belfry digests --user alex"],
  async run(given: Given): Promise<void> {
    const user = given.values.user;
    const limit = integer(given, "limit", 1, 1_000, 100);
    await withSession(async ({ store }) => {
      const of = user === undefined ? undefined : userId(user, "--user");
      const found = await watched("reading", createDigests(store).list(of, limit));
      if (given.flags.has("json")) for (const one of found) terminal.print(JSON.stringify(deliveryDto(one)));
      else terminal.print(found.length > 0 ? tableOf(found) : "No digests are open.");
    });
  },
};

export const release = {
  usage: "release <id>",
  description: "Send an open digest now",
  positional: { name: "id" },
  options: { json: { description: "print JSON" } },
  examples: ["belfry release 6b0b3671d4b78cf0104db2bb"],
  async run(given: Given): Promise<void> {
    await withSession(async ({ store }) => {
      const digest = await createDigests(store).release(idOf(given));
      if (given.flags.has("json")) terminal.print(JSON.stringify(deliveryDto(digest)));
      else terminal.print(`${digest.id} is due now.`);
    });
  },
};

function tableOf(found: DeliverySummary[]): string {
  const rows = found.map(({ id, user, channel, digest, due }) => [
    id,
    safe(user),
    channel,
    safe([digest?.scope, digest?.by].filter(Boolean).join(" ")),
    String(digest?.count ?? 0),
    due === undefined ? "" : shortMomentOf(due),
  ]);
  return table(["ID", "USER", "CHANNEL", "GATHERS", "COUNT", "DUE"], rows, {
    whole: ["ID", "CHANNEL", "COUNT", "DUE"],
  });
}
