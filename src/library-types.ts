import type { ClientSession, MongoClient } from "mongodb";
import type {
  BroadcastDetailsDto as BroadcastDetails,
  BroadcastPreviewDto as BroadcastPreview,
} from "./core/broadcast-dto.ts";
import type { Page } from "./core/cursor.ts";
import type { JobRecordDto } from "./core/job-dto.ts";
import type { PreferencesAnswer, PreferencesPatch } from "./core/preference-schemas.ts";
import type { RecallDto as RecallAnswer } from "./core/recall.ts";
import type { ScheduleDto, ScheduleRecordDto } from "./core/schedule-dto.ts";
import type { SubscriberDto, TopicDetailsDto, TopicDto, UserTopicDto } from "./core/topic-dto.ts";
import type { NotificationType } from "./core/types.ts";
import type { FilterValue } from "./model/broadcast.ts";
import type { InboxItemDto } from "./model/inbox-dto.ts";
import type { InboxQuery, InboxState } from "./model/live.ts";
import type { NotifyCommand as AnyCommand } from "./model/notification.ts";
import type { NotificationKey, TypedData } from "./model/notification-data.ts";
import type { Preferences } from "./model/preferences.ts";

export interface BelfryOptions {
  /** Your own client, which you close. It must come from the same copy of `mongodb` that Belfry uses. */
  client: MongoClient;
  /** The service's database. By default the one in the client's URI, else `belfry`. */
  database?: string;
  /** The same JSON as in the service's `NOTIFICATION_TYPES_FILE`. */
  types?: Record<string, NotificationType>;
  /** The texts of the service's `LOCALES_DIR`, by language: `{ de: { invoice: { subject: "Rechnung {number}" } } }`. */
  locales?: Record<string, LocaleTexts>;
  /** The service's `DEFAULT_LOCALE`; `en` by default. */
  defaultLocale?: string;
  /** The service's `INBOX_LIMIT`: how many items each inbox keeps. */
  inboxLimit?: number;
  /** The addresses of users that a first notification creates: the service's `EMAIL` and `RECEIVER_PHONE_NUMBER`. */
  newUser?: { email?: string; phone?: string };
  /** The service's `DELIVERY_RETENTION_DAYS`. */
  retentionDays?: number;
  /** The service's `TIME_ZONE`: the zone of users who have none; UTC by default. */
  timeZone?: string;
  /** In tests: that of `createTestBelfry`. The database's clock by default. Unix ms. */
  clock?: { now(): number };
}

/** Texts by their keys. An object with `other` and other plural forms is one text. */
export interface LocaleTexts {
  [key: string]: string | LocaleTexts;
}

/** What to notify a user of. `data` has the form that `NotificationData` declares for the type. */
export type NotifyCommand<Key extends NotificationKey = NotificationKey> = Omit<AnyCommand, "type" | "data"> &
  TypedData<Key>;

export interface NotifyOptions extends SendTime {
  session?: ClientSession;
}

/** When it is sent, if not now: one of the two. */
export interface SendTime {
  /** At most 366 days ahead. Text is ISO 8601 with its zone; a number is Unix milliseconds. */
  sendAt?: Date | string | number;
  /** A duration, such as `2h`. */
  delay?: string;
}

export interface ScheduleInput {
  notification: Omit<NotifyCommand, "user">;
  /** 1 to 1,000 users. */
  recipients: string[];
  /** Five parts: minute, hour, day of the month, month, day of the week. */
  cron: string;
  /** IANA, or `recipient`: each recipient's own. */
  timeZone: string;
  startsAt?: Date | string | number;
  endsAt?: Date | string | number;
  /** After a time in which no service ran: `once`, the default, sends the last missed occurrence; `skip` none. */
  missed?: "once" | "skip";
}

/** A page of a list. */
export interface PageOptions {
  /** 1 to 1,000; 100 by default. */
  limit?: number;
  /** `next` of the previous page. */
  cursor?: string;
}

export interface ScheduledJob {
  id: string;
  /** ISO 8601. */
  due: string;
  /** `sendAt` was past. */
  past: boolean;
}

/** One notification to many users. */
export interface BroadcastCommand<Key extends NotificationKey = NotificationKey> {
  notification: Omit<NotifyCommand<Key>, "user" | "replace">;
  /**
   * A topic's subscribers, all users, up to 10,000 named users, or those whose documents have these values: a list means one of
   * them.
   */
  to:
    | { topic: string }
    | { all: true }
    | { users: string[] }
    | { filter: Record<string, FilterValue | FilterValue[]> };
  /** A user who is left out. */
  actor?: string;
  /** A name of your own: the same call with the same key finds the same broadcast. */
  key?: string;
}

export interface Belfry {
  /**
   * Resolves with the notification's id once it is stored with all its deliveries; `replaced`: the id of an earlier one. A service with the `worker` role on the
   * same database sends them. Rejects with `BelfryError`: `invalid_request`, `user_document_conflict`, `overloaded`, or
   * `database_unavailable` (then it may or may not be stored).
   *
   * With `session` it becomes part of the session's transaction, and exists if and only if that commits. Nothing is retried
   * then: the driver's errors are passed on for `withTransaction` to repeat the whole. Do not catch errors other than
   * `invalid_request`: after them the transaction is over.
   *
   * With `sendAt` or `delay` it stores a job, which a service sends at that time, at once if that is past. Until then there is
   * nothing under the `id`.
   */
  notify(
    command: NotifyCommand,
    options?: NotifyOptions,
  ): Promise<{ id: string; replaced?: true; job?: ScheduledJob }>;
  /** Of notifications that are sent later. */
  /**
   * Stores a broadcast, which a service with the `worker` role sends in the background. Also rejects with
   * `idempotency_mismatch` when the key belongs to another one.
   */
  broadcast(command: BroadcastCommand): Promise<BroadcastDetails>;
  broadcasts: {
    /** Writes nothing: how many users there are, and what would happen to the first 20 of them. */
    preview(command: BroadcastCommand): Promise<BroadcastPreview>;
    /** With its progress. */
    get(id: string): Promise<BroadcastDetails>;
    /** A running one ends with the page that is under way. */
    pause(id: string): Promise<BroadcastDetails>;
    resume(id: string): Promise<BroadcastDetails>;
    cancel(id: string): Promise<BroadcastDetails>;
  };
  jobs: {
    /** Rejects with `not_found`. */
    get(id: string): Promise<JobRecordDto>;
    /** Rejects with `job_not_changeable` when it already ran. Repeating it has no further effect. */
    cancel(id: string): Promise<JobRecordDto>;
  };
  /** Lists of users under a key, such as `post:7`, to whom broadcasts go. Calls for a topic that does not exist reject with `not_found`. */
  topics: {
    /** By key. */
    list(page?: PageOptions): Promise<Page<TopicDto>>;
    /** With the number of its subscribers. */
    get(key: string): Promise<TopicDetailsDto>;
    /** Creates or replaces it, and keeps its subscribers. `open`: users may subscribe themselves; false by default. */
    put(key: string, topic?: { title?: string; open?: boolean }): Promise<TopicDto>;
    /** Also deletes its subscriptions. Rejects with `database_unavailable` after 20 s; the next call goes on. */
    delete(key: string): Promise<void>;
    /** By user. */
    subscribers(key: string, page?: PageOptions): Promise<Page<SubscriberDto>>;
    /** Subscribes and unsubscribes up to 1,000 users. */
    change(
      key: string,
      change: { add?: string[]; remove?: string[] },
    ): Promise<{ added: number; removed: number }>;
    subscribe(key: string, user: string): Promise<SubscriberDto>;
    unsubscribe(key: string, user: string): Promise<void>;
    /** The topics that a user has subscribed to. */
    ofUser(user: string, page?: PageOptions): Promise<Page<UserTopicDto>>;
  };
  /** Notifications that are sent again and again. A service sends them. Calls for a key without one reject with `not_found`. */
  schedules: {
    /** Stores it under your key, in place of what is there. Call it at each start of your program, if you like. */
    put(key: string, schedule: ScheduleInput): Promise<ScheduleRecordDto>;
    /** Sorted by key; those behind `after`. `limit`: 1 to 1,000, 100 by default. */
    list(query?: { after?: string; limit?: number }): Promise<ScheduleDto[]>;
    /** With the next five occurrences in each zone. */
    get(key: string): Promise<ScheduleRecordDto>;
    /** Occurrences until it is resumed are left out. */
    pause(key: string): Promise<ScheduleRecordDto>;
    resume(key: string): Promise<ScheduleRecordDto>;
    delete(key: string): Promise<void>;
  };
  /**
   * Takes a notification back: out of the inbox, on every open page at once, and before it is sent where there is still
   * time. Resolves with what it came to on each channel. May be repeated. Rejects with `invalid_request`, or with
   * `database_unavailable`, when a part may be done.
   */
  recall(request: RecallRequest): Promise<RecallAnswer>;
  /** Items are as in the service's own API. Calls for an item that the user does not have reject with `not_found`. */
  inbox: {
    /** Newest first. A user who does not exist has an empty inbox. */
    list(query: ListQuery): Promise<ListAnswer>;
    get(user: string, id: string): Promise<ItemAnswer>;
    /** Repeating a change has no further effect. */
    read(user: string, id: string): Promise<ItemAnswer>;
    /** Also takes it out of the archive. */
    unread(user: string, id: string): Promise<ItemAnswer>;
    /** Also marks it as read. */
    archive(user: string, id: string): Promise<ItemAnswer>;
    unarchive(user: string, id: string): Promise<ItemAnswer>;
    remove(user: string, id: string): Promise<InboxState>;
    /** Marks as read all items whose last change is at the rev `upTo` or before; all items by default. `changed`: how many. */
    readAll(user: string, upTo?: number): Promise<InboxState & { changed: number }>;
    /** Marks the inbox as seen, as opening the list does: items that were added at the rev `upTo` or before; all by default. */
    seen(user: string, upTo?: number): Promise<InboxState>;
  };
  /** What a user wants, by category, type, channel and topic. A user who does not exist has no preferences. */
  preferences: {
    /** The choices, and what follows from them. */
    get(user: string): Promise<PreferencesAnswer>;
    /** Changes the given choices; null removes one (RFC 7396). Also rejects with `preference_locked`. */
    merge(user: string, change: PreferencesPatch): Promise<PreferencesAnswer>;
    /** Removes every choice that is not given. */
    replace(user: string, preferences: Preferences): Promise<PreferencesAnswer>;
  };
  /**
   * Creates missing collections and indexes. The first other call does it too. Call it at the start of a program whose first
   * call may be inside a transaction, on a database that no service has used.
   */
  ready(): Promise<void>;
  /** Waits for pending writes. The client stays open. */
  close(): Promise<void>;
}

export type { RecallAnswer };

/** By its `id`, or all of a user's with the caller's `key`. */
export type RecallRequest =
  | { id: string; user?: string; users?: string[] }
  | ({ key: string } & ({ user: string } | { users: string[] }));

export interface ListQuery extends Partial<Omit<InboxQuery, "archived">> {
  user: string;
  /** 1 to 1,000; 20 by default. */
  limit?: number;
  /** `next` of the previous page, with the same filters. */
  after?: { created_rev: number; id: string };
  /** False by default. */
  archived?: boolean | "any";
}

export interface ListAnswer extends InboxState {
  items: InboxItemDto[];
  /** Absent on the last page. */
  next?: { created_rev: number; id: string };
}

/** The item, and the state of the inbox after the call. */
export interface ItemAnswer extends InboxState {
  item: InboxItemDto;
}
