import type { ObjectId } from "mongodb";
import { type Audit, type AuditOptions, callersAudit, readLedger, untilQuiet } from "./audit.ts";

/** The entry for e-mail of a type whose mails list the numbers of their creates, each on a line of its own. */
export const digestEmail = {
  text: "#{{ data.n }}#\n",
  digest: { every: "2s", keep: 100, text: "{% for item in items %}#{{ item.data.n }}#\n{% endfor %}" },
};

const numbersIn = (raw: string): number[] => [...raw.matchAll(/^#(\d+)#\r?$/gm)].map(([, n]) => Number(n));

/** Like `audit`, for creates that are gathered: each is in exactly one digest, and no digest is mailed under two ids. */
export async function auditDigests(options: AuditOptions): Promise<Audit> {
  const { db, answers, receipts, apiUrl, drainSeconds } = options;
  const { problems, none, ...counts } = callersAudit(options);
  await untilQuiet(db, drainSeconds).catch((error: Error) => problems.push(error.message));

  const all = await db
    .collection("deliveries")
    .find<{
      _id: ObjectId;
      state: string;
      reason?: string;
      into?: ObjectId;
      lease?: object;
      digest?: { count: number };
      interruptions?: number;
      content: { data?: { n: number } };
    }>(
      {},
      { projection: { state: 1, reason: 1, into: 1, lease: 1, digest: 1, interruptions: 1, content: 1 } },
    )
    .toArray();
  const digests = new Map(all.filter((one) => one.digest).map((one) => [one._id.toHexString(), one]));
  const members = all.filter((one) => !one.digest);
  const byNumber = new Map(members.map((one) => [one.content.data?.n as number, one]));

  const inMails = new Map<number, Set<string>>();
  for (const { raw = "", messageId } of receipts)
    for (const n of numbersIn(raw)) inMails.set(n, (inMails.get(n) ?? new Set()).add(messageId));

  const notInBooks = counts.acknowledgedNumbers.filter((n) => !byNumber.has(n));
  const notMailed = counts.acknowledgedNumbers.filter((n) => !inMails.has(n));
  none(notInBooks, "acknowledged, but without a delivery");
  none(notMailed, "acknowledged, but in no mail");
  none(
    [...inMails].filter(([, ids]) => ids.size > 1).map(([n]) => n),
    "in the mails of two digests",
  );
  none(
    [...inMails].filter(([n, [id]]) => id !== messageIdOf(byNumber.get(n)?.into)).map(([n]) => n),
    "in a mail that is not their digest's",
  );
  if (byNumber.size !== members.length) problems.push(`${members.length - byNumber.size} deliveries twice`);
  none(
    members.filter((one) => one.state !== "digested").map((one) => [one.state, one.reason].join(" ")),
    "creates that ended otherwise than digested",
  );
  none(
    [...digests.values()]
      .filter((one) => one.state !== "sent")
      .map((one) => [one.state, one.reason].join(" ")),
    "digests that ended otherwise than sent",
  );
  const sizes = new Map<string, number>();
  for (const { into } of members)
    sizes.set(String(into?.toHexString()), (sizes.get(String(into?.toHexString())) ?? 0) + 1);
  none(
    [...digests].filter(([id, { digest }]) => sizes.get(id) !== digest?.count).map(([id]) => id),
    "digests whose count is not that of their creates",
  );
  none(
    all.filter((one) => one.lease).map((one) => one._id.toHexString()),
    "leases left",
  );
  const { total, balanced } = await readLedger(apiUrl());
  if (!balanced || total.accepted !== all.length)
    problems.push(`the ledger: ${JSON.stringify(total)}, with ${all.length} deliveries`);

  const mailed = new Set(receipts.map((mail) => mail.messageId));
  const { acknowledgedNumbers, otherNumbers, ...shown } = counts;
  return {
    ...shown,
    asked: answers.size,
    acknowledged: acknowledgedNumbers.length,
    storedAnyway: otherNumbers.filter((n) => byNumber.has(n)).length,
    lost: new Set([...notInBooks, ...notMailed]).size,
    itemsTwice: 0,
    mails: receipts.length,
    duplicates: receipts.length - mailed.size,
    interruptions: all.reduce((sum, one) => sum + (one.interruptions ?? 0), 0),
    problems,
  };
}

const messageIdOf = (id: ObjectId | undefined) => `<${id?.toHexString()}@sender.example>`;
