import type { NotificationKey, TypedData } from "../model/notification-data.ts";
import { type Credentials, createCredentials } from "./credentials.ts";
import { BelfryClientError } from "./error.ts";
import { jobCalls } from "./jobs.ts";
import { type LiveConnection, type LiveView, openLive } from "./live.ts";
import { newKey } from "./platform.ts";
import type { Replica } from "./replica.ts";
import { addressOf, type Call, createRequester, type Requester } from "./request.ts";
import { scheduleCalls } from "./schedules.ts";
import { eventStreamTransport, type WebSocketClass, webSocketTransport } from "./transports.ts";
import type {
  BroadcastBody,
  BroadcastDetails,
  BroadcastPage,
  BroadcastPreview,
  Delivery,
  DigestList,
  DryRunAnswer,
  InboxAnswer,
  InboxQuery,
  InboxState,
  ItemAnswer,
  NotificationAnswer,
  NotificationBody,
  Preferences,
  PreferencesAnswer,
  PreferencesPatch,
  ProfileAnswer,
  ProfileBody,
  ProfilePatch,
  ReadAllAnswer,
  RecallAnswer,
  RecallBody,
  Subscriber,
  SubscriberPage,
  SubscribersBody,
  SubscribersChanged,
  TokenAnswer,
  Topic,
  TopicBody,
  TopicDetails,
  TopicPage,
  UserTopicPage,
} from "./wire.ts";

export interface ClientOptions {
  /** The address of the service, such as `https://notify.example`. */
  server: string;
  /** The user whose inbox and profile the calls are about. A program with an API key can also use `as`. */
  user?: string;
  /** For programs. It gives access to everything, so never put it into a page. */
  apiKey?: string;
  /** A user's token, from `POST /v1/users/{id}/token`. Nothing replaces it when it expires. */
  token?: string;
  /** Returns a user's token. Called when a token is needed, and again when the service refuses it. */
  getToken?: () => string | Promise<string>;
  /** The platform's by default. */
  fetch?: typeof fetch;
  /** The platform's by default. Without one the client uses server-sent events. */
  WebSocket?: WebSocketClass;
  /** How often a call is retried after a temporary failure; 3 by default. */
  retries?: number;
  /** Time limit of one try; 30 s by default. */
  timeoutMs?: number;
}

/** The notification, and its recipients. `data` has the form that `NotificationData` declares for the type. */
export type NotifyBody<Key extends NotificationKey = NotificationKey> = Omit<
  NotificationBody,
  "type" | "data"
> &
  TypedData<Key>;

/** A page of a list: up to 1,000 entries, 100 by default. */
export interface PageQuery {
  limit?: number;
  /** `next_cursor` of the previous page. */
  cursor?: string;
}

export interface LiveOptions {
  /** Called after each change of the inbox or of the connection. */
  onChange: (view: LiveView) => void;
  /** A WebSocket by default. Server-sent events where there is none, and with an API key, which they send in a header. */
  transport?: "websocket" | "events";
  /** The service's `LIVE_HEARTBEAT_SECONDS`; 25 by default. Server-sent events that are silent for twice as long are given up. */
  heartbeatSeconds?: number;
}

/** The largest page. */
const pageSize = 100;
/** When a retry has to wait longer than this, the view shows the error instead. */
const loadPatienceMs = 2_000;

/** Belfry's own API for pages, apps and programs. */
export class BelfryClient {
  readonly #options: ClientOptions;
  readonly #fetch: typeof fetch;
  readonly #credentials: Credentials;
  readonly #request: Requester;

  constructor(options: ClientOptions) {
    const { server, token, apiKey, getToken } = options;
    if ([token, apiKey, getToken].filter(Boolean).length > 1)
      throw new TypeError("Give only one of apiKey, token and getToken.");
    // The platform's `fetch` throws when it is called as a method of another object.
    const { fetch = (...args) => globalThis.fetch(...args), retries = 3, timeoutMs = 30_000 } = options;
    this.#options = options;
    this.#fetch = fetch;
    this.#credentials = createCredentials(apiKey ?? token, getToken);
    this.#request = createRequester({ server, fetch, credentials: this.#credentials, retries, timeoutMs });
    this.jobs = jobCalls(this.#request);
    this.schedules = scheduleCalls(this.#request);
  }

  /** The same client for another user. */
  as(user: string): BelfryClient {
    return new BelfryClient({ ...this.#options, user });
  }

  /**
   * Notifies 1 to 1,000 users; the answer has one result for each. Needs an API key. The client makes an `idempotencyKey` of
   * its own, so its retries store nothing twice. Give your own key, or the error's, to repeat the call later, within 24 hours.
   * With `send_at` or `delay` the answer has the `job` that sends it at that time.
   */
  notify(
    notification: NotifyBody,
    { idempotencyKey = newKey() }: { idempotencyKey?: string } = {},
  ): Promise<NotificationAnswer> {
    return this.#request({
      method: "POST",
      path: "/v1/notifications",
      body: notification,
      headers: { "idempotency-key": idempotencyKey },
    });
  }

  /** Writes nothing, and tells what would happen to each recipient on each channel, when, and by which rule. */
  dryRun(notification: NotifyBody): Promise<DryRunAnswer> {
    return this.#request({
      method: "POST",
      path: "/v1/notifications",
      query: { dry_run: true },
      body: notification,
    });
  }

  /** Notifications that are sent later, and other work in the background. Needs an API key. */
  readonly jobs: ReturnType<typeof jobCalls>;
  /** Notifications that are sent again and again. Needs an API key. */
  readonly schedules: ReturnType<typeof scheduleCalls>;
  /**
   * Takes a notification back: out of the inbox, on every open page at once, and before it is sent where there is still time.
   * By its `id`, or all of a user's with your `key`. The answer tells what it came to on each channel. Needs an API key.
   */
  recall(notification: RecallBody): Promise<RecallAnswer> {
    return this.#request({ method: "POST", path: "/v1/notifications/recall", body: notification });
  }

  /** Each answer has the inbox's `rev`, `unread`, `unseen` and `total`. Repeating a change has no further effect. */
  readonly inbox = {
    /** One page, newest first, by default without the archived ones. */
    list: (query: InboxQuery = {}): Promise<InboxAnswer> =>
      this.#call({ method: "GET", path: "/inbox", query: { ...query } }),
    get: (id: string): Promise<ItemAnswer> => this.#item("GET", id),
    read: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/read"),
    /** Also takes it out of the archive. */
    unread: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/unread"),
    /** Also marks it as read. */
    archive: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/archive"),
    unarchive: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/unarchive"),
    /** Rejects with `not_found` when it does not exist. */
    remove: (id: string): Promise<InboxState> => this.#item("DELETE", id),
    /** Marks as read all items that were created or changed up to that `rev`; all items by default. */
    readAll: (upToRev?: number): Promise<ReadAllAnswer> =>
      this.#call({ method: "POST", path: "/inbox/read-all", body: { up_to_rev: upToRev } }),
    /** Call it when the list is opened: items that were created up to that `rev` are no longer unseen; all items by default. */
    seen: (upToRev?: number): Promise<InboxState> =>
      this.#call({ method: "POST", path: "/inbox/seen", body: { up_to_rev: upToRev } }),
  };

  /** The user's addresses and settings. Needs an API key. */
  readonly profile = {
    get: (): Promise<ProfileAnswer> => this.#call({ method: "GET", path: "" }),
    /** Replaces the profile: fields that are not given are removed. */
    put: (profile: ProfileBody): Promise<ProfileAnswer> =>
      this.#call({ method: "PUT", path: "", body: profile }),
    /** Changes the given fields; null removes one. */
    patch: (change: ProfilePatch): Promise<ProfileAnswer> =>
      this.#call({ method: "PATCH", path: "", body: change }),
    /** Erases all of the user's data: profile, inbox and pending deliveries. */
    remove: (): Promise<void> => this.#call({ method: "DELETE", path: "" }),
  };

  /** The user's choices, by category, type, channel and topic. */
  readonly preferences = {
    get: (): Promise<PreferencesAnswer> => this.#call({ method: "GET", path: "/preferences" }),
    /** Replaces the preferences: choices that are not given are removed. */
    put: (preferences: Preferences): Promise<PreferencesAnswer> =>
      this.#call({ method: "PUT", path: "/preferences", body: preferences }),
    /** Changes the given choices; null removes one. */
    patch: (change: PreferencesPatch): Promise<PreferencesAnswer> =>
      this.#call({ method: "PATCH", path: "/preferences", body: change }),
  };

  /** Lists of users. All but `mine`, `subscribe` and `unsubscribe` need an API key; those two do where the topic is not open. */
  readonly topics = {
    list: (query: PageQuery = {}): Promise<TopicPage> =>
      this.#request({ method: "GET", path: "/v1/topics", query: { ...query } }),
    /** With the number of its subscribers. */
    get: (key: string): Promise<TopicDetails> => this.#topic("GET", key),
    /** Creates or replaces it, and keeps its subscribers. */
    put: (key: string, topic: TopicBody = {}): Promise<Topic> => this.#topic("PUT", key, "", { body: topic }),
    /** Also deletes its subscriptions. */
    remove: (key: string): Promise<void> => this.#topic("DELETE", key),
    subscribers: (key: string, query: PageQuery = {}): Promise<SubscriberPage> =>
      this.#topic("GET", key, "/subscribers", { query: { ...query } }),
    /** Subscribes and unsubscribes up to 1,000 users. */
    change: (key: string, change: SubscribersBody): Promise<SubscribersChanged> =>
      this.#topic("POST", key, "/subscribers", { body: change }),
    /** The topics that the client's user has subscribed to. */
    mine: (query: PageQuery = {}): Promise<UserTopicPage> =>
      this.#call({ method: "GET", path: "/topics", query: { ...query } }),
    /** Subscribes the client's user. */
    subscribe: async (key: string): Promise<Subscriber> => this.#topic("PUT", key, this.#subscriber()),
    unsubscribe: async (key: string): Promise<void> => this.#topic("DELETE", key, this.#subscriber()),
  };

  /** One notification to many users, in the background. Needs an API key. */
  readonly broadcasts = {
    /** The client makes a `key` of its own, so its retries begin no second broadcast. */
    create: (broadcast: BroadcastBody): Promise<BroadcastDetails> =>
      this.#broadcast("POST", "", { body: { key: newKey(), ...broadcast } }),
    /** Writes nothing: how many users there are, and what would happen to the first 20 of them. */
    preview: (broadcast: BroadcastBody): Promise<BroadcastPreview> =>
      this.#broadcast("POST", "", { body: broadcast, query: { dry_run: true } }),
    list: (query: Pick<PageQuery, "limit" | "cursor"> = {}): Promise<BroadcastPage> =>
      this.#broadcast("GET", "", { query: { ...query } }),
    /** With its progress. */
    get: (id: string): Promise<BroadcastDetails> => this.#broadcast("GET", `/${id}`),
    /** A running one ends with the page that is under way. */
    pause: (id: string): Promise<BroadcastDetails> => this.#broadcast("POST", `/${id}/pause`),
    resume: (id: string): Promise<BroadcastDetails> => this.#broadcast("POST", `/${id}/resume`),
    cancel: (id: string): Promise<BroadcastDetails> => this.#broadcast("POST", `/${id}/cancel`),
  };

  /** Notifications that are gathered. Needs an API key. */
  readonly digests = {
    /** The user's open digests; everybody's when the client has no user. */
    list: (): Promise<DigestList> =>
      this.#request({ method: "GET", path: "/v1/digests", query: { user_id: this.#options.user } }),
    /** Sends an open digest now. Rejects with `not_found` and `digest_not_open`. */
    release: (id: string): Promise<Delivery> =>
      this.#request({ method: "POST", path: `/v1/digests/${encodeURIComponent(id)}/release` }),
  };

  /** Creates a token for the user's pages. Needs an API key. */
  createToken({ ttlSeconds }: { ttlSeconds?: number } = {}): Promise<TokenAnswer> {
    return this.#call({ method: "POST", path: "/token", body: { ttl_seconds: ttlSeconds } });
  }

  /**
   * Keeps an exact copy of the user's inbox. `onChange` gets it once it is loaded, and after each change. Throws when the
   * client has no user.
   */
  live(options: LiveOptions): LiveConnection {
    const { server, apiKey, WebSocket = platformWebSocket() } = this.#options;
    const { heartbeatSeconds = 25 } = options;
    if (!(heartbeatSeconds > 0 && heartbeatSeconds <= 600))
      throw new TypeError("heartbeatSeconds must be above 0 and at most 600.");
    const url = (rest: string) => {
      const path = this.#path(rest);
      return (rev: number) => addressOf(server, { path, query: { rev } });
    };
    const silenceMs = heartbeatSeconds * 2_000;
    const events = { open: eventStreamTransport(this.#fetch, silenceMs), url: url("/events") };
    const sockets = WebSocket && { open: webSocketTransport(WebSocket, silenceMs), url: url("/live") };
    if (options.transport === "websocket" && !sockets)
      throw new TypeError("This platform has no WebSocket: pass one to the client as `WebSocket`.");
    // A WebSocket sends the token in the URL, where an API key must not be.
    const usual = sockets && !apiKey ? [sockets, events] : [events];
    const chosen = options.transport && { websocket: sockets, events }[options.transport];
    return openLive({
      load: (signal) => this.#load(signal),
      ask: (signal) =>
        this.#call({ method: "GET", path: "/inbox", query: { limit: 1 }, signal, patienceMs: 0 }),
      credentials: this.#credentials,
      transports: chosen ? [chosen] : usual,
      onChange: options.onChange,
    });
  }

  /** Reads page after page. The live connection then starts at the first page's `rev`, so no change in between is missed. */
  async #load(signal: AbortSignal): Promise<Replica> {
    const page = (cursor?: string): Promise<InboxAnswer> =>
      this.#call({
        method: "GET",
        path: "/inbox",
        query: { limit: pageSize, archived: "any", cursor },
        signal,
        patienceMs: loadPatienceMs,
      });
    const { items, next_cursor, ...standing } = await page();
    for (let next = next_cursor; next !== undefined; ) {
      const more = await page(next);
      items.push(...more.items);
      next = more.next_cursor;
    }
    return { ...standing, items: items.reverse() };
  }

  /** The client's user, as a part of a path. */
  #user(): string {
    const { user } = this.#options;
    if (!user)
      throw new BelfryClientError("No user given: pass `user` to the client or call `as(user)`.", {
        code: "no_user",
      });
    return encodeURIComponent(user);
  }

  #path(rest: string): string {
    return `/v1/users/${this.#user()}${rest}`;
  }

  #subscriber(): string {
    return `/subscribers/${this.#user()}`;
  }

  #broadcast<Answer>(
    method: Call["method"],
    rest: string,
    more: Pick<Call, "body" | "query"> = {},
  ): Promise<Answer> {
    return this.#request({ method, path: `/v1/broadcasts${rest}`, ...more });
  }

  #topic<Answer>(
    method: Call["method"],
    key: string,
    rest = "",
    more: Pick<Call, "body" | "query"> = {},
  ): Promise<Answer> {
    return this.#request({ method, path: `/v1/topics/${encodeURIComponent(key)}${rest}`, ...more });
  }

  async #call<Answer>(call: Call): Promise<Answer> {
    return this.#request<Answer>({ ...call, path: this.#path(call.path) });
  }

  #item<Answer>(method: Call["method"], id: string, action = ""): Promise<Answer> {
    return this.#call({ method, path: `/inbox/${encodeURIComponent(id)}${action}` });
  }
}

const platformWebSocket = () => (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
