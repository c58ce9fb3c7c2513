import type { Recipient } from "../model/channel.ts";
import type { Channel } from "../model/notification.ts";
import { createAudienceStore } from "./audience.ts";
import { createCapturedStore } from "./captured.ts";
import { createClaims } from "./claims.ts";
import { createServerClock } from "./clock.ts";
import { createCommitter } from "./commit.ts";
import type { Connection } from "./connect.ts";
import { deliveriesOfUser, deliveryDepth, pendingDue, siblingOf } from "./deliveries.ts";
import { createDigestStore } from "./digests.ts";
import { createEraser } from "./erase.ts";
import { createHints } from "./hints.ts";
import { createIdempotencyStore } from "./idempotency.ts";
import { newId, newIdAt } from "./ids.ts";
import { createInboxReader } from "./inbox.ts";
import { createChangesReader, createRevReader } from "./inbox-changes.ts";
import { createInboxWriter } from "./inbox-writes.ts";
import { prepareCollections } from "./indexes.ts";
import { createItemStates } from "./item-states.ts";
import { createJobClaims } from "./job-claims.ts";
import { createJobStore } from "./jobs.ts";
import { createJoiner } from "./join.ts";
import { createLedgerReader } from "./ledger.ts";
import { createLimitStore } from "./limits.ts";
import { createMigrationRunner } from "./migration-runner.ts";
import { createOperatorDeliveries } from "./operator-deliveries.ts";
import { createPreferenceStore } from "./preferences.ts";
import { createProfileStore } from "./profiles.ts";
import { createRecallStore } from "./recall.ts";
import { createReceiptStore } from "./receipts.ts";
import { createReplacer } from "./replace.ts";
import { createScheduleStore } from "./schedules.ts";
import { createSuppressionStore } from "./suppressions.ts";
import { createTally } from "./tally.ts";
import { createTopicStore } from "./topics.ts";
import { createTransactions } from "./transactions.ts";
import { createUserSearch } from "./user-search.ts";
import { createUserWrites } from "./user-writes.ts";
import { type WatchOptions, watchUsers } from "./watch.ts";

export interface StoreSettings {
  /** The names of all channels. */
  channels: Channel[];
  /** How many items each inbox keeps. */
  inboxLimit: number;
  /** The addresses of users that a first notification creates. */
  newUser: { email?: string; phone?: string };
  /** Days for which finished deliveries are kept. */
  retentionDays: number;
  /** The addresses of users who have none of their own. */
  everyone?: Recipient;
  /** Makes the clock that Belfry lives by from the database's clock. The database's own when absent. */
  clock?: ((server: () => number) => () => number) | undefined;
  /** Called with the number of open transactions of dead processes that were ended. */
  onAbandoned?: (ended: number) => void;
  /** Called with the name of a large collection while `open` waits for its indexes. */
  onBuilding?: (collection: string) => void;
}

const clockSyncMs = 30_000;
const pingMs = 1_000;

/** Everything that is stored in one MongoDB. Reading needs no preparation; call `open` before storing notifications. */
export function createStore(
  { client, db, transactions, routed }: Omit<Connection, "serverVersion">,
  {
    channels,
    inboxLimit,
    newUser,
    retentionDays,
    everyone = {},
    clock,
    onAbandoned,
    onBuilding,
  }: StoreSettings,
) {
  const server = createServerClock(db);
  const now = clock?.(server.now) ?? server.now;
  const timed = { now: server.now, storedAt: now };
  const storing = { client, db, transactions, inboxLimit, newUser, ...timed, onAbandoned, bulkWrites: false };
  const writes = createUserWrites(db, transactions, onAbandoned);
  const inboxWriter = createInboxWriter(db, inboxLimit, now, writes);
  // Each counts in its own ledger documents, so no two transactions conflict there.
  const commits = { ...storing, tally: createTally(newId(), retentionDays) };
  const newStoredId = clock ? () => newIdAt(now()) : newId;
  const hints = createHints(db, server.now);
  const joins = { ...storing, tally: createTally(newId(), retentionDays), tellChanged: hints.tell };
  const replacements = { ...storing, retentionDays, tally: createTally(newId(), retentionDays) };
  const jobs = createJobStore(db, retentionDays, now);
  const inTransaction = transactions
    ? createTransactions({ client, now: server.now, onAbandoned })
    : undefined;
  const schedules = createScheduleStore({
    db,
    jobs,
    inTransaction,
    serverNow: server.now,
    now,
  });
  let syncing: NodeJS.Timeout | undefined;

  return {
    transactions,
    /** The time that everything is decided by, in Unix milliseconds. */
    now,
    /** The database's clock, which all processes agree on. It is `now`, except in virtual time. */
    serverNow: server.now,
    syncClock: server.sync,
    /** Deliveries are counted and listed by the time in their ids. */
    newId: newStoredId,
    /** An id with a time in Unix ms; by default that of the database's clock. */
    newTimedId: (at = now()) => newIdAt(at),
    /** Creates missing collections and indexes, and keeps the clock in step until `close`. */
    async open(): Promise<void> {
      const [{ bulkWrites }] = await Promise.all([prepareCollections(db, onBuilding), server.sync()]);
      commits.bulkWrites = bulkWrites;
      joins.bulkWrites = bulkWrites;
      replacements.bulkWrites = bulkWrites;
      syncing = setInterval(() => server.sync().catch(() => {}), clockSyncMs).unref();
    },
    async close(): Promise<void> {
      clearInterval(syncing);
      await hints.written();
    },
    /** The service runs them. `open` does not: it also opens the store of a library's caller. */
    migrations: createMigrationRunner(db, server.now),
    /**
     * Rejects when MongoDB does not answer within a second. `timeoutMS` would not limit the driver's server
     * selection.
     */
    ping: () => db.command({ ping: 1 }, { signal: AbortSignal.timeout(pingMs) }),

    commit: createCommitter(commits),
    join: createJoiner(joins),
    replace: createReplacer(replacements),
    inbox: {
      ...createInboxReader(db, inboxLimit),
      ...inboxWriter,
    },
    itemStates: createItemStates(db),
    changes: createChangesReader(db, inboxLimit),
    revs: createRevReader(db),
    users: createProfileStore(db, writes, everyone),
    preferences: createPreferenceStore(db, writes, newUser),
    search: createUserSearch(db),
    suppressions: createSuppressionStore(db, writes, channels),
    topics: createTopicStore(db, now),
    audience: createAudienceStore(db),
    erase: createEraser({ db, writes, retentionDays, now, inTransaction }),
    deliveries: {
      ...createOperatorDeliveries(db),
      ofUser: (user: string, limit: number) => deliveriesOfUser(db, user, limit),
      sibling: (user: string, notification: string, channel: Channel) =>
        siblingOf(db, user, notification, channel),
      depth: () => deliveryDepth(db, channels),
      pendingDue: () => pendingDue(db, channels, now()),
    },
    /** The delivery engine's queries of one channel. */
    claims: (channel: Channel) => createClaims(db, channel, { retentionDays, routed }),
    jobs,
    schedules,
    /** The job runner's queries. */
    jobClaims: createJobClaims(db, retentionDays),
    digests: createDigestStore({
      ...storing,
      newId: newStoredId,
      retentionDays,
      tally: createTally(newId(), retentionDays),
    }),
    /** Throttles and budgets. */
    limits: createLimitStore(db, now, server.now),
    recall: createRecallStore({ db, remove: inboxWriter.remove, inboxLimit, retentionDays, now }),
    receipts: createReceiptStore(db, retentionDays),
    ledger: createLedgerReader({ client, db, transactions, channels, retentionDays, now }),
    idempotency: createIdempotencyStore(db, transactions),
    captured: createCapturedStore(db, now),

    /** Tells the other instances whose inboxes may have changed. */
    tellChanged: hints.tell,
    /** Follows what the other instances tell. */
    watch: (options: WatchOptions) => watchUsers(options, { from: hints.from, serverNow: server.now }),
  };
}

export type Store = ReturnType<typeof createStore>;
