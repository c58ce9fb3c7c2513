import type { Db, ObjectId } from "mongodb";
import { eventually } from "../test/support/eventually.ts";
import type { Answer } from "./callers.ts";

/** What three records say that know nothing of each other: the client's answers, the sink's mails, the database. */
export interface Audit {
  /** Creates that were asked for, and what became of them. */
  asked: number;
  acknowledged: number;
  /** Answered with 503 and a `Retry-After`. */
  refused: number;
  /** The connection ended before an answer. */
  unanswered: number;
  /** Of those two: stored all the same, as they may be. */
  storedAnyway: number;
  /** Acknowledged, but in no inbox, without a delivery, or never mailed. */
  lost: number;
  /** Inbox items that are there twice. */
  itemsTwice: number;
  mails: number;
  /** Mails beyond the first of each Message-ID. */
  duplicates: number;
  /** How often a worker's lease ran out before an outcome was stored. */
  interruptions: number;
  /** The longest wait for an answer. */
  slowestMs: number;
  problems: string[];
}

export interface AuditOptions {
  db: Db;
  answers: ReadonlyMap<number, Answer>;
  receipts: Array<{ messageId: string; subject: string; raw?: string }>;
  apiUrl: () => string;
  drainSeconds: number;
  mayBe: Array<"503" | "unanswered">;
}

/** A request that waits longer has been forgotten. */
const slowestAllowedMs = 20_000;

/** Waits until nothing is left to send, then compares by number and id. */
export async function audit(options: AuditOptions): Promise<Audit> {
  const { db, answers, receipts, apiUrl, drainSeconds } = options;
  const {
    problems,
    none,
    acknowledgedNumbers: acknowledged,
    otherNumbers: others,
    ...counts
  } = callersAudit(options);
  const books = db.collection("deliveries");
  await untilQuiet(db, drainSeconds).catch((error: Error) => problems.push(error.message));

  const users = db.collection<{ notifications?: Array<{ id: string; data: { n: number } }> }>("users");
  const items = (await users.find().toArray()).flatMap((user) => user.notifications ?? []);
  const deliveries = await books
    .find<{
      _id: ObjectId;
      notification: ObjectId;
      state: string;
      reason?: string;
      detail?: string;
      lease?: object;
      interruptions?: number;
      content: { data: { n: number } };
    }>(
      {},
      {
        projection: {
          notification: 1,
          state: 1,
          reason: 1,
          detail: 1,
          lease: 1,
          interruptions: 1,
          content: 1,
        },
      },
    )
    .toArray();

  const inInbox = new Set(items.map((item) => item.data.n));
  const byNumber = new Map(deliveries.map((one) => [one.content.data.n, one]));
  const messageIdOf = (id: ObjectId) => `<${id.toHexString()}@sender.example>`;
  const mailed = new Set(receipts.map((mail) => mail.messageId));

  // What was acknowledged: in the inbox, in the books, mailed.
  const notInInbox = acknowledged.filter((n) => !inInbox.has(n));
  const notInBooks = acknowledged.filter((n) => !byNumber.has(n));
  const notMailed = acknowledged.filter((n) => {
    const delivery = byNumber.get(n);
    return delivery && !mailed.has(messageIdOf(delivery._id));
  });
  none(notInInbox, "acknowledged, but in no inbox");
  none(notInBooks, "acknowledged, but without a delivery");
  none(notMailed, "acknowledged, but not mailed");

  // Whatever is there: once, whole, and in the books as what it is.
  const itemsTwice = items.length - inInbox.size;
  if (itemsTwice > 0) problems.push(`${itemsTwice} inbox items twice`);
  if (byNumber.size !== deliveries.length)
    problems.push(`${deliveries.length - byNumber.size} deliveries twice`);
  const itemIds = new Map(items.map((item) => [item.id, item.data.n]));
  const withDelivery = new Set(deliveries.map((one) => one.notification.toHexString()));
  none(
    [...itemIds].filter(([id]) => !withDelivery.has(id)).map(([, n]) => n),
    "inbox items without a delivery",
  );
  none(
    deliveries
      .filter((one) => itemIds.get(one.notification.toHexString()) !== one.content.data.n)
      .map((one) => one.content.data.n),
    "deliveries without their inbox item",
  );
  none(
    deliveries
      .filter((one) => one.state !== "sent")
      .map((one) => [one.state, one.reason, one.detail].join(" ")),
    "deliveries that ended otherwise than sent",
  );
  none(
    deliveries.filter((one) => one.lease).map((one) => one.content.data.n),
    "leases left",
  );
  none(
    deliveries
      .filter((one) => one.state === "sent" && !mailed.has(messageIdOf(one._id)))
      .map((one) => one.content.data.n),
    "in the books as sent, but not at the sink",
  );
  none(
    [...byNumber.keys()].filter((n) => !answers.has(n)),
    "that nobody asked for",
  );

  // Each mail is a delivery's, with that delivery's Message-ID, however often it came.
  none(
    receipts
      .filter((mail) => {
        const delivery = byNumber.get(Number(/^n=(\d+)$/.exec(mail.subject)?.[1]));
        return !delivery || messageIdOf(delivery._id) !== mail.messageId;
      })
      .map((mail) => mail.subject),
    "mails with a Message-ID that is not their delivery's",
  );

  const ledger = await readLedger(apiUrl());
  const { accepted, sent, balanced } = ledger.total;
  if (!balanced || !ledger.balanced || accepted !== deliveries.length || sent !== deliveries.length)
    problems.push(`the ledger: ${JSON.stringify(ledger.total)}, with ${deliveries.length} deliveries`);

  return {
    ...counts,
    asked: answers.size,
    acknowledged: acknowledged.length,
    storedAnyway: others.filter((n) => byNumber.has(n)).length,
    lost: new Set([...notInInbox, ...notInBooks, ...notMailed]).size,
    itemsTwice,
    mails: receipts.length,
    duplicates: receipts.length - mailed.size,
    interruptions: deliveries.reduce((sum, one) => sum + (one.interruptions ?? 0), 0),
    problems,
  };
}

/** The callers' record: what they were answered, and what of it should not be. */
export function callersAudit({ answers, mayBe }: Pick<AuditOptions, "answers" | "mayBe">) {
  const problems: string[] = [];
  /** Says how many there are and names a few. */
  const none = (found: unknown[], what: string) => {
    if (found.length > 0)
      problems.push(`${found.length} ${what}: ${[...new Set(found)].slice(0, 5).join(", ")}`);
  };
  const entries = [...answers];
  const acknowledgedNumbers = entries.filter(([, one]) => one.status === 201).map(([n]) => n);
  const others = entries.filter(([, one]) => one.status !== 201);
  const refused = others.filter(([, { status, retryAfter }]) => status === 503 && Number(retryAfter) > 0);
  const unanswered = others.filter(([, one]) => one.status === undefined);
  const unlike = others.filter((one) => !refused.includes(one) && !unanswered.includes(one));
  none(
    unlike.map(([, one]) => one.status),
    "answers that are neither 201 nor 503 with Retry-After",
  );
  if (!mayBe.includes("503") && refused.length > 0) problems.push(`${refused.length} creates were refused`);
  if (!mayBe.includes("unanswered") && unanswered.length > 0)
    problems.push(`${unanswered.length} creates were not answered`);

  const slowestMs = entries.reduce((most, [, one]) => Math.max(most, one.ms), 0);
  if (slowestMs > slowestAllowedMs) problems.push(`an answer took ${slowestMs} ms`);
  return {
    problems,
    none,
    acknowledgedNumbers,
    otherNumbers: others.map(([n]) => n),
    refused: refused.length,
    unanswered: unanswered.length,
    slowestMs,
  };
}

/** Waits until each delivery has ended, for the majority: the ledger knows of nothing else. */
export async function untilQuiet(db: Db, seconds: number): Promise<void> {
  const books = db.collection("deliveries", { readConcern: { level: "majority" } });
  const unfinished = () => books.countDocuments({ state: { $in: ["pending", "sending", "held"] } });
  await eventually(async () => (await unfinished()) === 0, "quiet", seconds).catch(async () => {
    throw new Error(`${await unfinished()} deliveries never ended`);
  });
}

export async function readLedger(url: string): Promise<{
  balanced: boolean;
  total: { accepted: number; sent: number; recalled: number; balanced: boolean };
}> {
  return (await fetch(`${url}/v1/ledger`)).json() as ReturnType<typeof readLedger>;
}
