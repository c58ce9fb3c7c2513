import type { ObjectId } from "mongodb";
import { type Audit, type AuditOptions, callersAudit, readLedger, untilQuiet } from "./audit.ts";

/** By user: the receipts of the mail, at once and when all had ended, and that of the inbox item. */
export type Recalled = Map<
  string,
  { first: string | undefined; last: string | undefined; inbox: string | undefined }
>;

/**
 * One notification a user, of which some were recalled. A receipt `stopped` means that the mail server has no mail, `too_late` that
 * it has one. A worker that was killed may have sent what was stopped later; nothing can tell.
 */
export const auditRecalled =
  (names: string[], recalled: Recalled) =>
  async (options: AuditOptions): Promise<Audit> => {
    const { db, receipts, apiUrl, drainSeconds } = options;
    const { problems, none, acknowledgedNumbers: _, otherNumbers: __, ...counts } = callersAudit(options);
    await untilQuiet(db, drainSeconds).catch((error: Error) => problems.push(error.message));
    const users = await db
      .collection<{ _id: string; notifications?: object[] }>("users")
      .find({}, { projection: { "notifications.id": 1 } })
      .toArray();
    const deliveries = await db
      .collection<{ _id: ObjectId; user: string; state: string; reason?: string; interruptions?: number }>(
        "deliveries",
      )
      .find({}, { projection: { user: 1, state: 1, reason: 1, interruptions: 1 } })
      .toArray();
    const mailed = new Set(receipts.map((mail) => mail.messageId));
    const items = new Map(users.map(({ _id, notifications = [] }) => [_id, notifications.length]));
    const byUser = new Map(deliveries.map((one) => [one.user, one]));
    const has = (user: string) => {
      const id = byUser.get(user)?._id.toHexString();
      return id !== undefined && mailed.has(`<${id}@sender.example>`);
    };
    const isInterrupted = (user: string) => (byUser.get(user)?.interruptions ?? 0) > 0;

    const kept = names.filter((user) => !recalled.has(user));
    const lost = kept.filter((user) => items.get(user) !== 1 || !has(user));
    if (deliveries.length !== names.length || byUser.size !== names.length)
      problems.push(`${deliveries.length} deliveries of ${byUser.size} users, not ${names.length}`);
    none(lost, "neither recalled, nor in the inbox and mailed");
    none(
      kept.flatMap((user) => (byUser.get(user)?.state === "sent" ? [] : [byUser.get(user)?.state])),
      "deliveries that ended otherwise than sent, and were not recalled",
    );
    const all = [...recalled];
    none(
      all.filter(([user, { inbox }]) => inbox !== "withdrawn" || items.get(user) !== 0).map(([user]) => user),
      "recalled, but not out of the inbox",
    );
    none(
      all.filter(([user, { last }]) => last === "too_late" && !has(user)).map(([user]) => user),
      "told that it was too late, but not mailed",
    );
    none(
      all
        .filter(([user, { last }]) => last === "stopped" && has(user) && !isInterrupted(user))
        .map(([user]) => user),
      "told that it was stopped, but mailed",
    );
    none(
      all.filter(([, { first, last }]) => first === "stopped" && last !== "stopped").map(([user]) => user),
      "stopped at first, and later not",
    );
    // A delivery whose workers were killed three times was given up before it was recalled.
    none(
      all
        .filter(([user, { last = "" }]) => {
          const isGivenUp = last === "nothing" && byUser.get(user)?.reason === "poison";
          return !["stopped", "too_late"].includes(last) && !isGivenUp;
        })
        .map(([user, { last }]) => `${last} (${user})`),
      "receipts that say neither",
    );
    const stopped = deliveries.filter(({ state }) => state === "recalled").length;
    const ledger = await readLedger(apiUrl());
    const { balanced, accepted, recalled: inLedger } = ledger.total;
    if (!balanced || accepted !== names.length || inLedger !== stopped)
      problems.push(`the ledger: ${JSON.stringify(ledger.total)}, with ${stopped} recalled`);
    return {
      ...counts,
      asked: names.length,
      acknowledged: names.length,
      storedAnyway: 0,
      lost: lost.length,
      itemsTwice: [...items.values()].filter((count) => count > 1).length,
      mails: receipts.length,
      duplicates: receipts.length - mailed.size,
      interruptions: deliveries.reduce((sum, one) => sum + (one.interruptions ?? 0), 0),
      problems,
    };
  };
