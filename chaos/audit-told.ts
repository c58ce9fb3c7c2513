import type { ObjectId } from "mongodb";
import { type Audit, type AuditOptions, callersAudit, readLedger, untilQuiet } from "./audit.ts";

/** How often each user is to be told. */
export type Expected = () => Promise<ReadonlyMap<string, number>>;

/** For what no caller asks for singly: each user has exactly as many items and deliveries as expected, and a mail for each. */
export const auditTold =
  (expected: Expected) =>
  async (options: AuditOptions): Promise<Audit> => {
    const { db, receipts, apiUrl, drainSeconds } = options;
    const { problems, none, acknowledgedNumbers: _, otherNumbers: __, ...counts } = callersAudit(options);
    await untilQuiet(db, drainSeconds).catch((error: Error) => problems.push(error.message));
    const wanted = await expected();
    const users = await db
      .collection<{ _id: string; notifications?: Array<{ id: string }> }>("users")
      .find({}, { projection: { "notifications.id": 1 } })
      .toArray();
    const deliveries = await db
      .collection<{
        _id: ObjectId;
        user: string;
        notification: ObjectId;
        state: string;
        reason?: string;
        lease?: object;
        interruptions?: number;
      }>("deliveries")
      .find({}, { projection: { user: 1, notification: 1, state: 1, reason: 1, lease: 1, interruptions: 1 } })
      .toArray();
    const made = new Map<string, Set<string>>();
    for (const { user, notification } of deliveries)
      made.set(user, (made.get(user) ?? new Set()).add(notification.toHexString()));
    const mailed = new Set(receipts.map((mail) => mail.messageId));
    const messageIdOf = ({ _id }: { _id: ObjectId }) => `<${_id.toHexString()}@sender.example>`;
    const items = new Map(users.map(({ _id, notifications = [] }) => [_id, notifications]));
    let lost = 0;
    let itemsTwice = 0;
    for (const [user, count] of wanted) {
      const own = items.get(user) ?? [];
      const ids = new Set(own.map(({ id }) => id));
      itemsTwice += own.length - ids.size;
      lost += Math.max(0, count - Math.min(ids.size, made.get(user)?.size ?? 0));
      if (ids.size !== count || [...ids].some((id) => !made.get(user)?.has(id)))
        problems.push(
          `${user} has ${own.length} items and ${made.get(user)?.size ?? 0} deliveries, not ${count}`,
        );
    }
    const notMailed = deliveries.filter((one) => !mailed.has(messageIdOf(one)));
    const total = [...wanted.values()].reduce((sum, count) => sum + count, 0);
    if (deliveries.length !== total) problems.push(`${deliveries.length} deliveries, not ${total}`);
    if (itemsTwice > 0) problems.push(`${itemsTwice} inbox items twice`);
    none(
      notMailed.map(({ user }) => user),
      "told, but not mailed",
    );
    none(
      deliveries.filter((one) => one.state !== "sent").map((one) => [one.state, one.reason].join(" ")),
      "deliveries that ended otherwise than sent",
    );
    none(
      deliveries.filter((one) => one.lease).map(({ user }) => user),
      "leases left",
    );
    const known = new Set(deliveries.map(messageIdOf));
    none(
      [...mailed].filter((id) => !known.has(id)),
      "mails that are no delivery's",
    );
    const ledger = await readLedger(apiUrl());
    if (!ledger.balanced || ledger.total.accepted !== total || ledger.total.sent !== total)
      problems.push(`the ledger: ${JSON.stringify(ledger.total)}, not ${total} of each`);
    return {
      ...counts,
      asked: total,
      acknowledged: total,
      storedAnyway: 0,
      lost: lost + notMailed.length,
      itemsTwice,
      mails: receipts.length,
      duplicates: receipts.length - mailed.size,
      interruptions: deliveries.reduce((sum, one) => sum + (one.interruptions ?? 0), 0),
      // Each user has a line of its own.
      problems: problems.slice(0, 10),
    };
  };
