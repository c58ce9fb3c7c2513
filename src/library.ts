import { type ClientSession, MongoClient, MongoInvalidArgumentError } from "mongodb";
import { channelNames } from "./channels/index.ts";
import { broadcastDetailsDto } from "./core/broadcast-dto.ts";
import { createCore } from "./core/core.ts";
import { jobRecordDto } from "./core/job-dto.ts";
import { createLocales } from "./core/locales.ts";
import { createTypeRegistry } from "./core/notification-types.ts";
import type { Target } from "./core/notify.ts";
import type { WrittenSendTime } from "./core/send-time.ts";
import { createLibraryInput, readSettings } from "./library-input.ts";
import { scheduleCalls } from "./library-schedules.ts";
import { topicCalls } from "./library-topics.ts";
import type { Belfry, BelfryOptions, ItemAnswer, ListAnswer } from "./library-types.ts";
import { BelfryError } from "./model/errors.ts";
import { inboxItemDto } from "./model/inbox-dto.ts";
import type { NewJob } from "./model/job.ts";
import type { InboxItem, InboxListing, InboxState, ItemChange } from "./model/live.ts";
import type { NotifyCommand } from "./model/notification.ts";
import { iso } from "./model/schema.ts";
import { createScheduleInput } from "./schedule-input.ts";
import { connectionOn, databaseOn } from "./store/connect.ts";
import { orUnavailable } from "./store/failures.ts";
import { createStore } from "./store/index.ts";
import { inTime } from "./store/join.ts";

export type { JobRecordDto as JobRecord } from "./core/job-dto.ts";
export type { PreferencesAnswer, PreferencesPatch } from "./core/preference-schemas.ts";
export type { ScheduleDto as Schedule, ScheduleRecordDto as ScheduleRecord } from "./core/schedule-dto.ts";
export type {
  SubscriberDto as Subscriber,
  TopicDetailsDto as TopicDetails,
  TopicDto as Topic,
  UserTopicDto as UserTopic,
} from "./core/topic-dto.ts";
export type { NotificationType } from "./core/types.ts";
export type {
  Belfry,
  BelfryOptions,
  BroadcastCommand,
  ItemAnswer,
  ListAnswer,
  ListQuery,
  LocaleTexts,
  NotifyCommand,
  NotifyOptions,
  PageOptions,
  RecallAnswer,
  RecallRequest,
  ScheduledJob,
  ScheduleInput,
} from "./library-types.ts";
export { BelfryError, type ErrorCode, type ErrorDetail } from "./model/errors.ts";
export type { InboxItemDto as InboxItem } from "./model/inbox-dto.ts";
export type { InboxState } from "./model/live.ts";
export type { Channel } from "./model/notification.ts";
// Not by name: programs could not add to `NotificationData` then.
export type * from "./model/notification-data.ts";
export type { Preferences } from "./model/preferences.ts";

/** Belfry's core inside your program, on its own connections: without HTTP, and without a running service. */
export function createBelfry(options: BelfryOptions): Belfry {
  const { client, types, locales: texts, clock, ...settings } = options;
  if (!(client instanceof MongoClient))
    throw new BelfryError(
      "invalid_request",
      "`client` is not a MongoClient, or it comes from another copy of the package mongodb than the one Belfry uses. `npm ls mongodb` shows all copies.",
    );
  const { database, defaultLocale, inboxLimit, newUser, retentionDays, timeZone } = readSettings(settings);
  const { locales, problems: wrongTexts } = createLocales(texts, defaultLocale);
  const general = { delayMs: 1, factor: 1, maxRetries: 0 };
  const { registry, problems: wrongTypes } = createTypeRegistry(general, types, locales);
  const problems = [...wrongTypes.map((problem) => `types: ${problem}`), ...wrongTexts];
  if (problems.length > 0) throw new BelfryError("invalid_request", problems.join("; "));
  const db = databaseOn(client, database);
  const input = createLibraryInput(registry.keys);
  let opening: ReturnType<typeof open> | undefined;
  let closed = false;

  async function open() {
    const store = createStore(await connectionOn(client, db), {
      channels: channelNames(),
      inboxLimit,
      newUser,
      retentionDays,
      clock: clock && (() => clock.now),
    });
    await store.open();
    return { store, ...createCore(store, registry, { timeZone }) };
  }

  /** Opens once. After a failure the next call tries again. */
  function opened() {
    if (closed) return Promise.reject(new Error("This Belfry is closed: create another one."));
    opening ??= orUnavailable(open).catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  /** The parts for a call within the session's transaction. */
  async function openedFor(session: ClientSession) {
    if (!session.inTransaction())
      throw new BelfryError(
        "invalid_request",
        "The session has no transaction. Call `notify` inside `session.withTransaction`.",
      );
    const parts = await inTime(opened());
    if (!parts.store.transactions)
      throw new BelfryError(
        "invalid_request",
        "Transactions need a replica set, and this MongoDB is a standalone server.",
      );
    return parts;
  }

  async function notifyWithin(session: ClientSession, command: NotifyCommand): Promise<{ id: string }> {
    const { plan, store } = await openedFor(session);
    const planned = plan(command);
    if (planned.replaces)
      throw new BelfryError(
        "invalid_request",
        "`replace` needs a transaction of its own: call it without a session.",
      );
    await usable(store.join(session, [planned]));
    return { id: planned.id };
  }

  async function notifyLater(command: NotifyCommand, written: WrittenSendTime, session?: ClientSession) {
    const { sendTime, sendLater, store } = await (session ? openedFor(session) : opened());
    const due = sendTime(written, { at: "/sendAt", delay: "/delay" }) as number;
    const { user, ...notification } = command;
    const insert = session && ((job: NewJob) => usable(store.jobs.insert(job, session)));
    const made = await sendLater({ notification, users: [user], due, written }, undefined, insert);
    const [{ id }] = made.targets as [Target];
    return { id, job: { id: made.job, due: iso(made.due), past: made.past } };
  }

  const change = (name: ItemChange) => async (user: string, id: string) => {
    const item = input.item(user, id);
    return itemAnswer(await (await opened()).inbox.change(item.user, item.id, name));
  };

  const ofBroadcast = (call: "show" | "pause" | "resume" | "cancel") => async (id: string) =>
    broadcastDetailsDto(await (await opened()).broadcasts[call](input.job(id)));

  return {
    async notify(given, { session, ...time } = {}) {
      const command = input.command(given);
      const written = input.sendTime(time);
      if (written.send_at !== undefined || written.delay !== undefined)
        return notifyLater(command, written, session);
      if (session) return notifyWithin(session, command);
      const { id, replaced } = await (await opened()).notify(command);
      return { id, ...(replaced && { replaced }) };
    },
    async recall(given) {
      const request = input.recall(given);
      return (await opened()).recall(request);
    },
    broadcast: async (command) => {
      const { broadcast } = await (await opened()).broadcasts.create(input.broadcast(command));
      return broadcastDetailsDto(broadcast);
    },
    broadcasts: {
      preview: async (command) => (await opened()).broadcasts.preview(input.broadcast(command)),
      get: ofBroadcast("show"),
      pause: ofBroadcast("pause"),
      resume: ofBroadcast("resume"),
      cancel: ofBroadcast("cancel"),
    },
    jobs: {
      get: async (id) => jobRecordDto(await (await opened()).jobs.show(input.job(id))),
      cancel: async (id) => jobRecordDto(await (await opened()).jobs.cancel(input.job(id))),
    },
    schedules: scheduleCalls(async () => (await opened()).schedules, createScheduleInput(registry.keys)),
    topics: topicCalls(async () => (await opened()).topics),
    inbox: {
      async list(given) {
        const query = input.query(given);
        return listAnswer(await (await opened()).inbox.read(query));
      },
      async get(user, id) {
        const item = input.item(user, id);
        return itemAnswer(await (await opened()).inbox.get(item.user, item.id));
      },
      read: change("read"),
      unread: change("unread"),
      archive: change("archive"),
      unarchive: change("unarchive"),
      async remove(user, id) {
        const item = input.item(user, id);
        return (await opened()).inbox.remove(item.user, item.id);
      },
      async readAll(given, rev) {
        const { user, upTo } = input.upTo(given, rev);
        return (await opened()).inbox.readAll(user, upTo);
      },
      async seen(given, rev) {
        const { user, upTo } = input.upTo(given, rev);
        return (await opened()).inbox.seen(user, upTo);
      },
    },
    preferences: {
      get: async (user) => (await opened()).preferences.show(input.user(user)),
      async merge(user, change) {
        const given = input.merge(user, change);
        return (await opened()).preferences.merge(given.user, given.preferences);
      },
      async replace(user, preferences) {
        const given = input.replace(user, preferences);
        return (await opened()).preferences.replace(given.user, given.preferences);
      },
    },
    ready: async () => void (await opened()),
    async close() {
      closed = true;
      const parts = await opening?.catch(() => undefined);
      await parts?.drained();
      await parts?.store.close();
    },
  };
}

/** A session may belong to another client, for example. */
async function usable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof MongoInvalidArgumentError)) throw error;
    throw new BelfryError("invalid_request", `${error.message}.`, [], error);
  }
}

const listAnswer = ({ items, ...rest }: InboxListing): ListAnswer => ({
  ...rest,
  items: items.map(inboxItemDto),
});
const itemAnswer = ({ item, ...rest }: InboxState & { item: InboxItem }): ItemAnswer => ({
  ...rest,
  item: inboxItemDto(item),
});
