import type { ClientSession, MongoClient } from "mongodb";
import type { NotificationType } from "./core/types.ts";
import type { WireItem } from "./model/inbox-wire.ts";
import type { InboxQuery, Standing } from "./model/live.ts";
import type { NotifyCommand } from "./model/notification.ts";

export interface BelfryOptions {
  /** The program's own: it stays the program's to close. Of the same `mongodb` package as Belfry's. */
  client: MongoClient;
  /** The service's database; by default the one that the client's URI names, else `belfry`. */
  database?: string;
  /** What the service has in `NOTIFICATION_TYPES_FILE`: the same JSON. */
  types?: Record<string, NotificationType>;
  /** The service's `INBOX_LIMIT`: items kept for each user. */
  inboxLimit?: number;
  /** Where a user is reached who is created by a first notification: the service's `EMAIL` and `RECEIVER_PHONE_NUMBER`. */
  newUser?: { email?: string; phone?: string };
  /** The service's `DELIVERY_RETENTION_DAYS`. */
  retentionDays?: number;
}

export interface Belfry {
  /**
   * Resolves with the notification's id once it is stored with all its deliveries, which a service with the `worker`
   * role on the same database sends. Rejects with `BelfryError`: `invalid_request`, `user_document_conflict`,
   * `overloaded`, `database_unavailable` (then it may or may not have been stored).
   *
   * With `session` it becomes part of the transaction that is under way there, and exists if and only if that commits.
   * Then nothing is repeated: the driver's errors come as they are, for `withTransaction` to do the whole again. Let
   * through what is no `invalid_request`: with it the transaction is over.
   */
  notify(command: NotifyCommand, options?: { session?: ClientSession }): Promise<{ id: string }>;
  /** An item is what it is in the service's own API. What names one that the user has not rejects with `not_found`. */
  inbox: {
    /** Newest first. A user that does not exist has an empty inbox. */
    list(query: ListQuery): Promise<ListAnswer>;
    get(user: string, id: string): Promise<ItemAnswer>;
    /** Doing a thing twice changes nothing. */
    read(user: string, id: string): Promise<ItemAnswer>;
    /** Also brings it back from the archive. */
    unread(user: string, id: string): Promise<ItemAnswer>;
    /** Reads it too. */
    archive(user: string, id: string): Promise<ItemAnswer>;
    unarchive(user: string, id: string): Promise<ItemAnswer>;
    remove(user: string, id: string): Promise<Standing>;
    /** Reads what was last changed at the rev `upTo` or before, by default all of it; `changed`: how many items. */
    readAll(user: string, upTo?: number): Promise<Standing & { changed: number }>;
  };
  /**
   * Makes collections and indexes that are missing. The first call of anything else does it, too; a program whose first
   * call may be inside a transaction, and whose database no service has prepared, calls it at its start.
   */
  ready(): Promise<void>;
  /** Waits for what is being stored. The client stays open. */
  close(): Promise<void>;
}

export interface ListQuery extends Partial<Omit<InboxQuery, "archived">> {
  user: string;
  /** 1 to 1,000, by default 20. */
  limit?: number;
  /** `next` of the page before, with the same filters. */
  after?: { created_rev: number; id: string };
  /** By default false. */
  archived?: boolean | "any";
}

export interface ListAnswer extends Standing {
  items: WireItem[];
  /** Absent on the last page. */
  next?: { created_rev: number; id: string };
}

/** Where the inbox stands after it, too. */
export interface ItemAnswer extends Standing {
  item: WireItem;
}
