import type { CursorText, Page } from "./core/cursor.ts";
import { subscriberDto, topicDetailsDto, topicDto, userTopicDto } from "./core/topic-dto.ts";
import type { Topics } from "./core/topics.ts";
import { Exactly, TopicKey, UserId } from "./http/v1/schemas.ts";
import { PageQuery, readSubscribers, SubscribersBody, TopicBody } from "./http/v1/topic-schemas.ts";
import { bodyCheck } from "./http/validation.ts";
import { checked } from "./library-input.ts";
import type { Belfry, PageOptions } from "./library-types.ts";
import { canonicalUser } from "./model/user-id.ts";

/** `topics` of the library. `opened` gives the core's. Arguments are checked as those of a request. */
export function topicCalls(opened: () => Promise<Topics>): Belfry["topics"] {
  const keyCheck = bodyCheck(Exactly({ key: TopicKey }));
  const userCheck = bodyCheck(Exactly({ user: UserId }));
  const topicCheck = bodyCheck(TopicBody);
  const subscribersCheck = bodyCheck(SubscribersBody);
  const pageCheck = bodyCheck(PageQuery);
  const keyOf = (key: string) => checked<{ key: string }>(keyCheck, { key }).key;
  const userOf = (user: string) => canonicalUser(checked<{ user: string }>(userCheck, { user }).user);

  async function pageOf<One, Shown>(
    options: PageOptions = {},
    read: (all: Topics, limit: number, cursor?: CursorText) => Promise<Page<One>>,
    show: (one: One) => Shown,
  ): Promise<Page<Shown>> {
    const { limit, cursor: text } = checked<{ limit: number; cursor?: string }>(pageCheck, options);
    const cursor = text === undefined ? undefined : { text, pointer: "/cursor" };
    const page = await read(await opened(), limit, cursor);
    return { ...page, data: page.data.map(show) };
  }

  return {
    list: async (page) => pageOf(page, (all, ...part) => all.list(...part), topicDto),
    async get(given) {
      const key = keyOf(given);
      return topicDetailsDto(await (await opened()).show(key));
    },
    async put(given, topic = {}) {
      const key = keyOf(given);
      const body = checked<{ title?: string; open: boolean }>(topicCheck, topic);
      return topicDto((await (await opened()).put(key, body)).topic);
    },
    async delete(given) {
      const key = keyOf(given);
      return (await opened()).remove(key);
    },
    async subscribers(given, page) {
      const key = keyOf(given);
      return pageOf(page, (all, ...part) => all.subscribers(key, ...part), subscriberDto);
    },
    async change(given, change) {
      const key = keyOf(given);
      const { add, remove } = readSubscribers(checked(subscribersCheck, change));
      return (await opened()).change(key, add, remove);
    },
    async subscribe(given, user) {
      const [key, id] = [keyOf(given), userOf(user)];
      return subscriberDto((await (await opened()).subscribe(key, id, false)).subscription);
    },
    async unsubscribe(given, user) {
      const [key, id] = [keyOf(given), userOf(user)];
      return (await opened()).unsubscribe(key, id, false);
    },
    async ofUser(given, page) {
      const user = userOf(given);
      return pageOf(page, (all, ...part) => all.ofUser(user, ...part), userTopicDto);
    },
  };
}
