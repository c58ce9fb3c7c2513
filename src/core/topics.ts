import { BelfryError } from "../model/errors.ts";
import type { Subscription, Topic } from "../model/topic.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor, type Page, pageOf } from "./cursor.ts";

/** Time for one request to delete a topic. */
const patienceMs = 20_000;
/** A topic's key, and the id of a user, which an older system may have made longer than ours. */
const placeForm = /^.{1,700}$/s;

/**
 * Topics and their subscribers. `ownUser` is true for a user who acts for themselves: then the topic must be open, else
 * the call rejects with `forbidden`. Rejects with `not_found` for an unknown topic, and with `database_unavailable`.
 */
export function createTopics({ topics, now }: Pick<Store, "topics" | "now">) {
  const unknown = (key: string) => new BelfryError("not_found", `There is no topic ${key}.`);

  async function find(key: string, ownUser = false): Promise<Topic> {
    const topic = await topics.read(key);
    if (!topic) throw unknown(key);
    if (ownUser && !topic.open)
      throw new BelfryError(
        "forbidden",
        `The topic ${key} is not open: only programs with an API key change its subscribers.`,
      );
    return topic;
  }

  /** A topic that is deleted meanwhile keeps no subscriber: the deletion may have passed the new ones already. */
  async function subscribe(key: string, users: string[]): Promise<number> {
    if (users.length === 0) return 0;
    const added = await topics.subscribe(key, users);
    if (await topics.read(key)) return added;
    await topics.unsubscribe(key, users);
    throw unknown(key);
  }

  return {
    async list(limit: number, cursor?: CursorText): Promise<Page<Topic>> {
      const after = cursor && decodeCursor(cursor.text, { list: "topics" }, placeForm, cursor.pointer);
      const found = await topics.list(after, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor({ list: "topics" }, last.key));
    },

    async show(key: string): Promise<Topic & { subscribers: number }> {
      const topic = await find(key);
      return { ...topic, subscribers: await topics.countSubscribers(key) };
    },

    /** Creates or replaces. Also rejects with `topic_deleting`. */
    put: topics.put,

    /**
     * Deletes the topic and its subscriptions. From the first call on nobody finds it. Rejects with
     * `database_unavailable` when 20 s are not enough, and the next call goes on.
     */
    async remove(key: string): Promise<void> {
      const deadline = now() + patienceMs;
      if (!(await topics.beginDeletion(key))) throw unknown(key);
      while (!(await topics.continueDeletion(key)))
        if (now() > deadline)
          throw new BelfryError(
            "database_unavailable",
            "Not all subscriptions could be deleted in time. Repeat the request.",
          );
    },

    /** `created` is false when the user had subscribed before. */
    async subscribe(key: string, user: string, ownUser: boolean) {
      await find(key, ownUser);
      const created = (await subscribe(key, [user])) === 1;
      const at = (await topics.subscription(key, user)) ?? now();
      return { subscription: { user, at } satisfies Subscription, created };
    },

    async unsubscribe(key: string, user: string, ownUser: boolean): Promise<void> {
      await find(key, ownUser);
      await topics.unsubscribe(key, [user]);
    },

    /** No user is in both lists. */
    async change(key: string, add: string[], remove: string[]): Promise<{ added: number; removed: number }> {
      await find(key);
      const removed = remove.length > 0 ? await topics.unsubscribe(key, remove) : 0;
      return { added: await subscribe(key, add), removed };
    },

    async subscribers(key: string, limit: number, cursor?: CursorText): Promise<Page<Subscription>> {
      await find(key);
      const question = { topic: key };
      const after = cursor && decodeCursor(cursor.text, question, placeForm, cursor.pointer);
      const found = await topics.subscribers(key, after, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(question, last.user));
    },

    /** The topics that a user has subscribed to. A page may be shorter while one of them is being deleted. */
    async ofUser(user: string, limit: number, cursor?: CursorText): Promise<Page<Topic & { at: number }>> {
      const question = { topicsOf: user };
      const after = cursor && decodeCursor(cursor.text, question, placeForm, cursor.pointer);
      const page = pageOf(await topics.ofUser(user, after, limit + 1), limit, (last) =>
        encodeCursor(question, last.key),
      );
      return { ...page, data: page.data.flatMap(({ topic, at }) => (topic ? [{ ...topic, at }] : [])) };
    },
  };
}

export type Topics = ReturnType<typeof createTopics>;
