import type { Call, Requester } from "./request.ts";
import type {
  Subscriber,
  SubscriberPage,
  SubscribersBody,
  SubscribersChanged,
  Topic,
  TopicBody,
  TopicDetails,
  TopicPage,
  UserTopicPage,
} from "./wire.ts";

/** A page of a list: up to 1,000 entries, 100 by default. */
export interface PageQuery {
  limit?: number;
  /** `next_cursor` of the previous page. */
  cursor?: string;
}

/** `user`: the client's user, as a part of a path. */
export function topicCalls(request: Requester, user: () => string) {
  const call = <Answer>(
    method: Call["method"],
    key: string,
    rest = "",
    more: Pick<Call, "body" | "query"> = {},
  ): Promise<Answer> => request({ method, path: `/v1/topics/${encodeURIComponent(key)}${rest}`, ...more });
  return {
    list: (query: PageQuery = {}): Promise<TopicPage> =>
      request({ method: "GET", path: "/v1/topics", query: { ...query } }),
    /** With the number of its subscribers. */
    get: (key: string): Promise<TopicDetails> => call("GET", key),
    /** Creates or replaces it, and keeps its subscribers. */
    put: (key: string, topic: TopicBody = {}): Promise<Topic> => call("PUT", key, "", { body: topic }),
    /** Also deletes its subscriptions. */
    remove: (key: string): Promise<void> => call("DELETE", key),
    subscribers: (key: string, query: PageQuery = {}): Promise<SubscriberPage> =>
      call("GET", key, "/subscribers", { query: { ...query } }),
    /** Subscribes and unsubscribes up to 1,000 users. */
    change: (key: string, change: SubscribersBody): Promise<SubscribersChanged> =>
      call("POST", key, "/subscribers", { body: change }),
    /** The topics that the client's user has subscribed to. */
    mine: async (query: PageQuery = {}): Promise<UserTopicPage> =>
      request({ method: "GET", path: `/v1/users/${user()}/topics`, query: { ...query } }),
    /** Subscribes the client's user. */
    subscribe: async (key: string): Promise<Subscriber> => call("PUT", key, `/subscribers/${user()}`),
    unsubscribe: async (key: string): Promise<void> => call("DELETE", key, `/subscribers/${user()}`),
  };
}
