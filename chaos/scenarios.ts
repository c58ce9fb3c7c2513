import { broker } from "./scenarios/broker.ts";
import { calm } from "./scenarios/calm.ts";
import { cluster } from "./scenarios/cluster.ts";
import { clusterLive } from "./scenarios/cluster-live.ts";
import { broadcasts, schedules } from "./scenarios/crowds.ts";
import { databaseErrors } from "./scenarios/database-errors.ts";
import { freezes } from "./scenarios/freezes.ts";
import { digests, kills } from "./scenarios/kills.ts";
import { type LiveResult, live } from "./scenarios/live.ts";
import { mailServer } from "./scenarios/mail-server.ts";
import { outage } from "./scenarios/outage.ts";
import { primary } from "./scenarios/primary.ts";
import { recalls } from "./scenarios/recalls.ts";
import type { Place, Result } from "./stage.ts";

export type Form = "full" | "quick";
type Played = (place: Place) => Promise<Result | LiveResult>;

/** Every scenario with its numbers: the full form for releases, the quick one inside `npm test`. */
export const scenarios = {
  calm: both(calm, { creates: 20_000 }, { creates: 400 }),
  kills: both(kills, { creates: 20_000, kills: 200 }, { creates: 200, kills: 2 }),
  digests: both(digests, { creates: 20_000, kills: 200 }, { creates: 200, kills: 2 }),
  broadcasts: both(broadcasts, { users: 50_000, kills: 50 }, { users: 400, kills: 2 }),
  schedules: both(
    schedules,
    { count: 500, recipients: 20, kills: 50 },
    { count: 20, recipients: 10, kills: 2 },
  ),
  recalls: both(recalls, { users: 20_000, kills: 50 }, { users: 400, kills: 2 }),
  freezes: both(
    freezes,
    { freezes: 50, perSecond: 150, takeoverMs: 6_000 },
    { freezes: 1, perSecond: 100, takeoverMs: 30_000 },
  ),
  "mail-server": both(
    mailServer,
    { rounds: 2, seconds: 15, perSecond: 100 },
    { rounds: 1, seconds: 1.5, perSecond: 100 },
  ),
  outage: both(
    outage,
    { creates: 50_000, seconds: 600, memory: { after: 60, within: 0.1 } },
    // A process that has just started still grows by itself.
    { creates: 500, seconds: 3, memory: { after: 1, within: 0.5 } },
  ),
  broker: both(broker, { kills: 20, perSecond: 150 }, { kills: 1, perSecond: 100 }),
  "database-errors": both(
    databaseErrors,
    { seconds: 60, perSecond: 200, leaseMs: 30_000 },
    { seconds: 4, perSecond: 100, leaseMs: 5_000 },
  ),
  primary: both(
    primary,
    { kills: 20, perSecond: 200, electionMs: 10_000, leaseMs: 30_000 },
    { kills: 1, perSecond: 100, electionMs: 1_000, leaseMs: 5_000 },
  ),
  cluster: both(
    cluster,
    { kills: 20, perSecond: 150, electionMs: 10_000, leaseMs: 30_000 },
    { kills: 5, perSecond: 60, electionMs: 1_000, leaseMs: 5_000 },
  ),
  live: both(
    live,
    { changes: 10_000, perSecond: 150, drops: 500, kills: 10, users: 8, each: 7 },
    { changes: 400, perSecond: 200, drops: 30, kills: 1, users: 3, each: 4 },
  ),
  "cluster-live": both(
    clusterLive,
    {
      changes: 10_000,
      perSecond: 100,
      drops: 300,
      kills: 5,
      users: 8,
      each: 7,
      electionMs: 10_000,
      pauseMs: 3_000,
    },
    {
      changes: 400,
      perSecond: 50,
      drops: 30,
      kills: 1,
      users: 3,
      each: 4,
      electionMs: 1_000,
      pauseMs: 1_000,
    },
  ),
} satisfies Record<string, Record<Form, Played>>;

export type ScenarioName = keyof typeof scenarios;

function both<Options, Outcome>(
  play: (place: Place, options: Options) => Promise<Outcome>,
  full: Options,
  quick: Options,
): Record<Form, (place: Place) => Promise<Outcome>> {
  return { full: (place) => play(place, full), quick: (place) => play(place, quick) };
}
