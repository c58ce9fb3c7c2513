import {
  type Db,
  type Filter,
  MaxKey,
  MinKey,
  MongoBulkWriteError,
  MongoServerError,
  type ObjectId,
} from "mongodb";
import { BelfryError } from "../model/errors.ts";
import type { Subscription, Topic, UserTopic } from "../model/topic.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";

interface TopicDocument {
  _id: string;
  title?: string;
  open: boolean;
  createdAt: Date;
  /** Its subscriptions are being deleted. For everybody else it is gone. */
  deletedAt?: Date;
}

interface SubscriptionDocument {
  /** Pages of a topic are ranges of it: MongoDB compares field by field. */
  _id: { topic: string; user: ObjectId | string };
  at: Date;
}

const topicsOf = (db: Db) => db.collection<TopicDocument>("topics");
export const subscriptionsOf = (db: Db) => db.collection<SubscriptionDocument>("subscriptions");

const live = { deletedAt: { $exists: false } };
/** A count of a million subscribers takes about 0.3 s. */
const patienceMs = 20_000;
const deletionBatch = 5_000;

/** Topics and their subscribers. Each call may be repeated. Rejects with `database_unavailable`. */
export function createTopicStore(db: Db, now: () => number) {
  const topics = topicsOf(db);
  const subscriptions = subscriptionsOf(db);

  return {
    /** Keys in order, after `after`. */
    list: (after: string | undefined, limit: number): Promise<Topic[]> =>
      orUnavailable(async () => {
        const filter = { ...live, ...(after !== undefined && { _id: { $gt: after } }) };
        const found = topics
          .find(filter, { batchSize: limit + 1 })
          .sort({ _id: 1 })
          .limit(limit);
        return (await found.toArray()).map(topicOf);
      }),

    read: (key: string): Promise<Topic | undefined> =>
      orUnavailable(async () => {
        const found = await topics.findOne({ _id: key, ...live });
        return found ? topicOf(found) : undefined;
      }),

    /** Creates or replaces. Rejects with `topic_deleting` while its subscriptions are being deleted. */
    put: (
      key: string,
      { title, open }: Pick<Topic, "title" | "open">,
    ): Promise<{ topic: Topic; created: boolean }> =>
      orUnavailable(async () => {
        for (;;) {
          try {
            const { value, lastErrorObject } = await topics.findOneAndUpdate(
              { _id: key, ...live },
              {
                $set: { open, ...(title !== undefined && { title }) },
                ...(title === undefined && { $unset: { title: 1 } }),
                $setOnInsert: { createdAt: new Date(now()) },
              },
              { upsert: true, returnDocument: "after", includeResultMetadata: true },
            );
            return { topic: topicOf(value as TopicDocument), created: !lastErrorObject?.updatedExisting };
          } catch (error) {
            if (!(error instanceof MongoServerError) || error.code !== duplicateKey) throw error;
            // Another request created it, and the next try updates it.
            if (await topics.findOne({ _id: key, deletedAt: { $exists: true } }))
              throw new BelfryError("topic_deleting");
          }
        }
      }),

    countSubscribers: (topic: string): Promise<number> =>
      orUnavailable(() => subscriptions.countDocuments(ofTopic(topic), { maxTimeMS: patienceMs })),

    /** Ordered by user, strings before ObjectIds. `after`: the user before the first result. */
    subscribers: (topic: string, after: string | undefined, limit: number): Promise<Subscription[]> =>
      orUnavailable(async () => {
        const range = ofTopic(topic, after === undefined ? undefined : storedUserId(after));
        const found = subscriptions.find(range, { batchSize: limit + 1 });
        const page = await found.sort({ _id: 1 }).limit(limit).toArray();
        return page.map(({ _id, at }) => ({ user: wireUserId(_id.user), at: at.getTime() }));
      }),

    /** When the user subscribed; undefined for one who has not. */
    async subscription(topic: string, user: string): Promise<number | undefined> {
      const _id = { topic, user: storedUserId(user) };
      return (await orUnavailable(() => subscriptions.findOne({ _id })))?.at.getTime();
    },

    /** The topics of a user, by key. Index `user`. */
    ofUser: (user: string, after: string | undefined, limit: number): Promise<UserTopic[]> =>
      orUnavailable(async () => {
        const found = await subscriptions
          .find(
            { "_id.user": storedUserId(user), ...(after !== undefined && { "_id.topic": { $gt: after } }) },
            { batchSize: limit + 1 },
          )
          .sort({ "_id.topic": 1 })
          .limit(limit)
          .toArray();
        const _id = { $in: found.map((one) => one._id.topic) };
        const known = new Map((await topics.find({ _id, ...live }).toArray()).map((one) => [one._id, one]));
        return found.map(({ _id: { topic: key }, at }) => {
          const topic = known.get(key);
          return { key, at: at.getTime(), ...(topic && { topic: topicOf(topic) }) };
        });
      }),

    /** Returns how many of the distinct users were not subscribed before. */
    subscribe: (topic: string, users: string[]): Promise<number> =>
      orUnavailable(async () => {
        const at = new Date(now());
        const documents = users.map((user) => ({ _id: { topic, user: storedUserId(user) }, at }));
        try {
          return (await subscriptions.insertMany(documents, { ordered: false })).insertedCount;
        } catch (error) {
          if (!(error instanceof MongoBulkWriteError) || !isRepeated(error)) throw error;
          return error.insertedCount;
        }
      }),

    /** Returns how many of the users were subscribed. */
    unsubscribe: (topic: string, users: string[]): Promise<number> =>
      orUnavailable(async () => {
        const _id = { $in: users.map((user) => ({ topic, user: storedUserId(user) })) };
        return (await subscriptions.deleteMany({ _id })).deletedCount;
      }),

    /** From now on nobody finds the topic. False when there is none. */
    beginDeletion: (key: string): Promise<boolean> =>
      orUnavailable(async () => {
        const found = await topics.updateOne({ _id: key }, [
          { $set: { deletedAt: { $ifNull: ["$deletedAt", new Date(now())] } } },
        ]);
        return found.matchedCount === 1;
      }),

    /** Deletes some of the subscriptions, and with the last of them the topic. False when there may be more. */
    continueDeletion: (topic: string): Promise<boolean> =>
      orUnavailable(async () => {
        const page = await subscriptions
          .find(ofTopic(topic), { projection: { _id: 1 }, batchSize: deletionBatch + 1 })
          .limit(deletionBatch)
          .toArray();
        if (page.length > 0) await subscriptions.deleteMany({ _id: { $in: page.map((one) => one._id) } });
        if (page.length === deletionBatch) return false;
        await topics.deleteOne({ _id: topic, deletedAt: { $exists: true } });
        return true;
      }),
  };
}

const isRepeated = ({ writeErrors }: MongoBulkWriteError): boolean => {
  const errors = [writeErrors].flat();
  return errors.length > 0 && errors.every((one) => one.code === duplicateKey);
};

/** A topic's subscriptions after a user: a range of `_id`, which its index serves. */
export function ofTopic(topic: string, after?: string | ObjectId): Filter<SubscriptionDocument> {
  const user = after ?? new MinKey();
  return { _id: { $gt: { topic, user }, $lt: { topic, user: new MaxKey() } } } as never;
}

const topicOf = ({ _id, title, open, createdAt }: TopicDocument): Topic => ({
  key: _id,
  ...(title !== undefined && { title }),
  open,
  createdAt: createdAt.getTime(),
});
