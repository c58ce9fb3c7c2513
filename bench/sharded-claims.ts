import type { MongoClient } from "mongodb";
import { createClaims } from "../src/store/claims.ts";
import { newId } from "../src/store/ids.ts";
import type { Cluster } from "../test/support/cluster.ts";
import { newDelivery, userId } from "./data.ts";
import { cpuSeconds } from "./machine.ts";
import type { ClaimStep } from "./sharded-report.ts";

export interface ShardedBench {
  shards: number;
  cluster: Cluster;
  client: MongoClient;
  close(): Promise<void>;
}

const rounds = 5;
const deliveries = 4_000;
const workers = 4;
const emptyClaims = 1_000;

/** The clusters take turns, so that each round compares them in the same minute. The first claims warm up. */
export async function measureClaims(
  clusters: ShardedBench[],
  say: (line: string) => void,
): Promise<ClaimStep[]> {
  const measured = clusters.map((each) => ({ shards: each.shards, claims: claimsOf(each) }));
  const steps = new Map<string, ClaimStep>();
  for (let round = 0; round <= rounds; round++) {
    for (const { shards, claims } of measured)
      for (const [name, cost] of [
        ["claim 50 and settle, per delivery", await claims.drain(50)],
        ["claim 200 and settle, per delivery", await claims.drain(200)],
        ["a claim that finds nothing", await claims.findNothing()],
      ] as const) {
        if (round === 0) continue;
        const key = `${name}, ${shards}`;
        const step = steps.get(key) ?? { name, shards, costs: [] };
        step.costs.push(cost);
        steps.set(key, step);
      }
    say(`claims, round ${round} of ${rounds}`);
  }
  return [...steps.values()];
}

/** Four workers; the processor time is that of the cluster's servers. */
function claimsOf({ client, cluster }: ShardedBench) {
  const claims = createClaims(client.db("bench"), "email", { retentionDays: 90, routed: true });
  const collection = client.db("bench").collection("deliveries");
  const lease = () => ({ token: newId(), until: Date.now() + 60_000 });
  const spent = () => cluster.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);

  async function costOf(count: number, work: () => Promise<void>) {
    const before = spent();
    const began = performance.now();
    await Promise.all(Array.from({ length: workers }, work));
    return { ms: (performance.now() - began) / count, cpuMs: ((spent() - before) * 1_000) / count };
  }

  return {
    async drain(batch: number) {
      await collection.insertMany(
        Array.from({ length: deliveries }, (_, n) => newDelivery(userId(n % 10_000), newId())),
      );
      return costOf(deliveries, async () => {
        for (;;) {
          const held = await claims.claim(batch, lease(), Date.now() + 1_000);
          if (held.length === 0) return;
          const sent = held.map((delivery) => ({ delivery, state: "sent" as const, tries: 1, attempts: [] }));
          await claims.settle(sent, Date.now());
        }
      });
    },
    findNothing: () =>
      costOf(emptyClaims, async () => {
        for (let n = 0; n < emptyClaims / workers; n++) await claims.claim(50, lease(), 0);
      }),
  };
}
