import type { Standing } from "../model/live.ts";
import { type Credentials, createCredentials } from "./credentials.ts";
import { BelfryClientError } from "./error.ts";
import { type LiveConnection, type LiveView, openLive } from "./live.ts";
import { newKey } from "./platform.ts";
import type { Replica } from "./replica.ts";
import { addressOf, type Call, createRequester, type Requester } from "./request.ts";
import { eventStreamTransport, type WebSocketClass, webSocketTransport } from "./transports.ts";
import type {
  InboxAnswer,
  InboxQuery,
  ItemAnswer,
  NotificationAnswer,
  NotificationBody,
  ProfileAnswer,
  ProfileBody,
  ProfilePatch,
  ReadAllAnswer,
  TokenAnswer,
} from "./wire.ts";

export interface ClientOptions {
  /** Where Belfry answers, such as `https://notify.example`. */
  server: string;
  /** Whose inbox and profile is meant. A program with an API key says it with `as`. */
  user?: string;
  /** A program's. It opens everything: never in a page. */
  apiKey?: string;
  /** A user's token, of `POST /v1/users/{id}/token`; when it runs out it is over. */
  token?: string;
  /** Asked for a user's token when one is needed, and when the one before has run out. */
  getToken?: () => string | Promise<string>;
  /** By default the platform's. */
  fetch?: typeof fetch;
  /** By default the platform's; without one server-sent events are used. */
  WebSocket?: WebSocketClass;
  /** How often a call is repeated that came to nothing for a reason that passes: by default 3 times. */
  retries?: number;
  /** How long one try may take: by default 30 s. */
  timeoutMs?: number;
}

export interface LiveOptions {
  /** Told each time that something has changed, of the inbox or of the connection. */
  onChange: (view: LiveView) => void;
  /** By default a WebSocket; server-sent events where there is none, and with an API key, which they send in a header. */
  transport?: "websocket" | "events";
  /** The service's `LIVE_HEARTBEAT_SECONDS`, by default 25: server-sent events that are silent twice as long are dead. */
  heartbeatSeconds?: number;
}

/** The most that one page has. */
const pageSize = 100;
/** What takes longer to mend is told by the view, and not waited out in silence. */
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
      throw new TypeError("Give one of apiKey, token and getToken.");
    // Called as a method of ours the platform's own would refuse.
    const { fetch = (...args) => globalThis.fetch(...args), retries = 3, timeoutMs = 30_000 } = options;
    this.#options = options;
    this.#fetch = fetch;
    this.#credentials = createCredentials(apiKey ?? token, getToken);
    this.#request = createRequester({ server, fetch, credentials: this.#credentials, retries, timeoutMs });
  }

  /** The same for another user. */
  as(user: string): BelfryClient {
    return new BelfryClient({ ...this.#options, user });
  }

  /**
   * Notifies one user, or up to 1,000; each has an outcome. Wants an API key. Without `idempotencyKey` it makes one of its
   * own, so that its repetitions store nothing twice; with one of yours, or the error's, a call is repeated later, within
   * 24 hours.
   */
  notify(
    notification: NotificationBody,
    { idempotencyKey = newKey() }: { idempotencyKey?: string } = {},
  ): Promise<NotificationAnswer> {
    return this.#request({
      method: "POST",
      path: "/v1/notifications",
      body: notification,
      headers: { "idempotency-key": idempotencyKey },
    });
  }

  /** Each answer tells where the inbox stands. Doing a thing twice changes nothing. */
  readonly inbox = {
    /** One page, newest first, by default without the archived ones. */
    list: (query: InboxQuery = {}): Promise<InboxAnswer> =>
      this.#call({ method: "GET", path: "/inbox", query: { ...query } }),
    get: (id: string): Promise<ItemAnswer> => this.#item("GET", id),
    read: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/read"),
    /** Also brings it back from the archive. */
    unread: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/unread"),
    /** Reads it too. */
    archive: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/archive"),
    unarchive: (id: string): Promise<ItemAnswer> => this.#item("POST", id, "/unarchive"),
    /** Fails with `not_found` when it is gone already. */
    remove: (id: string): Promise<Standing> => this.#item("DELETE", id),
    /** Reads what came or changed up to that `rev`, by default everything. */
    readAll: (upToRev?: number): Promise<ReadAllAnswer> =>
      this.#call({ method: "POST", path: "/inbox/read-all", body: { up_to_rev: upToRev } }),
  };

  /** Where the user can be reached; wants an API key. */
  readonly profile = {
    get: (): Promise<ProfileAnswer> => this.#call({ method: "GET", path: "" }),
    /** What is not named goes. */
    put: (profile: ProfileBody): Promise<ProfileAnswer> =>
      this.#call({ method: "PUT", path: "", body: profile }),
    /** What is not named stays, null removes it. */
    patch: (change: ProfilePatch): Promise<ProfileAnswer> =>
      this.#call({ method: "PATCH", path: "", body: change }),
    /** Erases everything of the user: profile, inbox, and what is waiting to be sent. */
    remove: (): Promise<void> => this.#call({ method: "DELETE", path: "" }),
  };

  /** A token for the user's pages; wants an API key. */
  createToken({ ttlSeconds }: { ttlSeconds?: number } = {}): Promise<TokenAnswer> {
    return this.#call({ method: "POST", path: "/token", body: { ttl_seconds: ttlSeconds } });
  }

  /**
   * Keeps an exact copy of the user's inbox: `onChange` gets it when it is there, and after each change. Throws when the
   * client has no user.
   */
  live(options: LiveOptions): LiveConnection {
    const { server, apiKey, WebSocket = platformWebSocket() } = this.#options;
    const { heartbeatSeconds = 25 } = options;
    if (!(heartbeatSeconds > 0 && heartbeatSeconds <= 600))
      throw new TypeError("heartbeatSeconds must be above 0, and 600 at most.");
    const url = (rest: string) => {
      const path = this.#path(rest);
      return (rev: number) => addressOf(server, { path, query: { rev } });
    };
    const silenceMs = heartbeatSeconds * 2_000;
    const events = { open: eventStreamTransport(this.#fetch, silenceMs), url: url("/events") };
    const sockets = WebSocket && { open: webSocketTransport(WebSocket, silenceMs), url: url("/live") };
    if (options.transport === "websocket" && !sockets)
      throw new TypeError("This platform has no WebSocket: give one to the client.");
    // A WebSocket of a page sends its bearer in the address, where an API key has no place.
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

  /** The pages are read one after the other; what changes meanwhile is told from the first one's `rev` on. */
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

  #path(rest: string): string {
    const { user } = this.#options;
    if (!user)
      throw new BelfryClientError("Whose? Give the client a user, or say it with `as`.", { code: "no_user" });
    return `/v1/users/${encodeURIComponent(user)}${rest}`;
  }

  async #call<Answer>(call: Call): Promise<Answer> {
    return this.#request<Answer>({ ...call, path: this.#path(call.path) });
  }

  #item<Answer>(method: Call["method"], id: string, action = ""): Promise<Answer> {
    return this.#call({ method, path: `/inbox/${encodeURIComponent(id)}${action}` });
  }
}

const platformWebSocket = () => (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
