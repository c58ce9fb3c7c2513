import { setTimeout as pause } from "node:timers/promises";
import { untilQuiet } from "../audit.ts";
import { auditRecalled, type Recalled } from "../audit-recalled.ts";
import { drainSeconds, type Place, type Result } from "../stage.ts";
import { ask, killed } from "./killed.ts";

const usersEach = 100;
const delayMs = 1_000;
/** A recall comes at most so long after its notification: before, while and after the mail is sent. */
const latestMs = 2_500;
const receiptsEach = 500;

interface Answer {
  users: Array<{ user_id: string; receipts: Array<{ channel: string; result: string }> }>;
}

/**
 * Mails that are due a second after they are accepted. Half of them are recalled around that time, while an API or a worker is
 * killed at random moments. Each receipt is compared with the mail server's record.
 */
export function recalls(place: Place, { users, kills }: { users: number; kills: number }): Promise<Result> {
  const key = "order";
  const recalled: Recalled = new Map();
  const names = Array.from({ length: users }, (_, n) => `user ${n}`);
  const email = { subject: "Hello", after: `${delayMs / 1_000}s` };
  return killed(
    { scenario: "recalls", place, email, audit: auditRecalled(names, recalled) },
    kills,
    async ({ db, fleet, random }, kill) => {
      const recall = async (user: string, ms: number) => {
        await pause(ms);
        const body = { key, user_id: user };
        const { users: found } = await ask<Answer>(fleet.urls, "POST", "/v1/notifications/recall", body);
        recalled.set(user, { first: resultOf(found[0]), last: undefined, inbox: undefined });
      };
      const asked: Array<Promise<void>> = [];
      // Half of the mails are sent: enough for the last kill.
      const killing = kill(users * 0.6, random);
      for (let from = 0; from < users; from += usersEach) {
        const recipients = names.slice(from, from + usersEach);
        const body = { type: "new_login", title: "Hello", key, recipients };
        await ask(fleet.urls, "POST", "/v1/notifications", body, { "idempotency-key": `batch-${from}` });
        for (const user of recipients) if (random() < 0.5) asked.push(recall(user, random() * latestMs));
      }
      await Promise.all([killing, ...asked]);
      await untilQuiet(db, drainSeconds);
      const all = [...recalled.keys()];
      for (let from = 0; from < all.length; from += receiptsEach) {
        const body = { key, user_ids: all.slice(from, from + receiptsEach) };
        const { users: found } = await ask<Answer>(fleet.urls, "POST", "/v1/notifications/recall", body);
        for (const one of found) {
          const own = recalled.get(one.user_id) as NonNullable<ReturnType<Recalled["get"]>>;
          own.last = resultOf(one);
          own.inbox = one.receipts.find(({ channel }) => channel === "inbox")?.result;
        }
      }
      const results = [...recalled.values()].map(({ last = "no receipt" }) => last);
      const counted = [...new Set(results)].map(
        (result) => `${results.filter((one) => one === result).length} ${result}`,
      );
      return { played: `${users} mails, ${recalled.size} recalled (${counted.join(", ")})`, problems: [] };
    },
  );
}

const resultOf = (one: Answer["users"][0] | undefined) =>
  one?.receipts.find(({ channel }) => channel === "email")?.result;
