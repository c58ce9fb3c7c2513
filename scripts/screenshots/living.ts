import { type Db, ObjectId } from "mongodb";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { bucketsOf } from "../../src/store/tally.ts";
import { dice, hour, minute, outage, second, users } from "./history.ts";

/** Stores it all, with the books that belong to it. */
export async function live(db: Db, all: DeliveryDocument[], now: number): Promise<void> {
  const { pick, roll } = dice(3);
  const found = users.map((id) => ({
    _id: id.length === 24 ? new ObjectId(id) : id,
    ...(id.length !== 24 && {
      email: `${id.replace("_", ".")}@${pick(["posteo.example", "mail.example", "tower.example"])}`,
    }),
    ...(roll() < 0.6 && { phone: `+3246${Math.floor(1e7 + roll() * 8.9e7)}` }),
    webhook: { url: "https://partners.tower.example/sales", secrets: [`whsec_${"A".repeat(32)}`] },
  }));
  await usersOf(db).insertMany(found as never);
  await usersOf(db).updateOne({ _id: "marta.lindqvist" }, {
    $set: {
      email: "marta@lindqvist.example",
      phone: "+32468310522",
      locale: "sv-SE",
      timeZone: "Europe/Brussels",
      suppressed: { sms: { address: "+32468310522", reason: "opt_out", at: new Date(now - 31 * hour) } },
    },
    $unset: { webhook: 1 },
  } as never);
  await deliveriesOf(db).insertMany(all);
  const accepted = new Map<string, Record<string, number>>();
  for (const { createdAt, channel } of all) {
    const begin = new Date(Math.floor(createdAt.getTime() / minute) * minute).toISOString();
    const counts = accepted.get(begin) ?? {};
    counts[channel] = (counts[channel] ?? 0) + 1;
    accepted.set(begin, counts);
  }
  const expireAt = new Date(now + 30 * 24 * hour);
  await bucketsOf(db).insertMany(
    [...accepted].map(([begin, counts]) => ({ _id: `${begin}/office.0`, accepted: counts, expireAt })),
  );
  await db
    .collection<{ _id: string }>("ledger")
    .updateOne({ _id: "since" }, { $set: { at: new Date(now - 26.5 * hour) } }, { upsert: true });
}

/** The answer of `/v1/stats` of a process that has done all this: it keeps it in memory, which nobody can wait for. */
export function statsOf(all: DeliveryDocument[], now: number) {
  const { roll } = dice(11);
  const step = 5 * second;
  const ends = Array.from({ length: 180 }, (_, n) => now - (179 - n) * step);
  const samples = ends.map((end) => {
    const isIn = (at: number) => at > end - step && at <= end;
    const settled = all.filter(({ state, updatedAt }) => state !== "pending" && isIn(updatedAt.getTime()));
    const taken = all.filter(({ attempts }) => {
      const last = attempts.at(-1);
      return last?.outcome === "sent" && isIn(last.at.getTime());
    });
    const of = (state: string) => settled.filter((one) => one.state === state).length;
    const waiting = all.filter(
      ({ createdAt, attempts, state, updatedAt }) =>
        createdAt.getTime() <= end &&
        (state === "pending" || (attempts.at(-1)?.at.getTime() ?? updatedAt.getTime()) > end),
    );
    const oldest = Math.min(end, ...waiting.map(({ createdAt }) => createdAt.getTime()));
    const slow = end > now + outage.from && end < now + outage.to ? 1.6 : 1;
    return {
      at: new Date(end).toISOString(),
      accepted: all.filter(({ createdAt }) => isIn(createdAt.getTime())).length,
      sent: taken.length,
      delivered: of("delivered"),
      failed: of("failed"),
      skipped: of("skipped"),
      uncertain: of("uncertain"),
      latency_ms_p50: (3.4 + roll()) * slow,
      latency_ms_p99: (11 + roll() * roll() * 16) * slow,
      pending: waiting.length,
      oldest_age_seconds: Math.max(0, (end - oldest) / 1_000),
      connections: Math.round(212 + 14 * Math.sin(end / (310 * second)) + roll() * 3),
    };
  });
  const ok = (channel: string, name: string) => ({ channel, name, state: "ok" });
  return {
    interval_seconds: 5,
    samples,
    providers: [
      ok("email", "mailgun"),
      ok("email", "smtp"),
      ok("sms", "twilio"),
      {
        channel: "webhook",
        name: "webhook",
        state: "open",
        code: "503",
        text: "503 Service Unavailable",
        remedy:
          "Check that the provider is up and that this machine can reach it. Belfry checks again by itself.",
        since: new Date(now - 4 * minute).toISOString(),
        until: new Date(now + 21 * second).toISOString(),
      },
    ],
    overdue: { email: 0, sms: 0, webhook: 0 },
  };
}
