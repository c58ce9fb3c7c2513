import { type Credentials, createCredentials } from "./credentials.ts";
import { BelfryClientError } from "./error.ts";
import { type LiveConnection, type LiveView, openLive } from "./live.ts";
import type { Replica } from "./replica.ts";
import { addressOf, type Call, createRequester, type Requester } from "./request.ts";
import { eventStreamTransport, type WebSocketClass, webSocketTransport } from "./transports.ts";
import type {
  InboxAnswer,
  InboxQuery,
  InboxState,
  ItemAnswer,
  Preferences,
  PreferencesAnswer,
  PreferencesPatch,
  ReadAllAnswer,
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

/** The calls about one user's own data: what pages need, and so all that the tag loads. */
export class UserClient {
  protected readonly options: ClientOptions;
  protected readonly request: Requester;
  readonly #fetch: typeof fetch;
  readonly #credentials: Credentials;

  constructor(options: ClientOptions) {
    const { server, token, apiKey, getToken } = options;
    if ([token, apiKey, getToken].filter(Boolean).length > 1)
      throw new TypeError("Give only one of apiKey, token and getToken.");
    // The platform's `fetch` throws when it is called as a method of another object.
    const { fetch = (...args) => globalThis.fetch(...args), retries = 3, timeoutMs = 30_000 } = options;
    this.options = options;
    this.#fetch = fetch;
    this.#credentials = createCredentials(apiKey ?? token, getToken);
    this.request = createRequester({ server, fetch, credentials: this.#credentials, retries, timeoutMs });
  }

  /** Each answer has the inbox's `rev`, `unread`, `unseen` and `total`. Repeating a change has no further effect. */
  readonly inbox = {
    /** One page, newest first, by default without the archived ones. */
    list: (query: InboxQuery = {}): Promise<InboxAnswer> =>
      this.call({ method: "GET", path: "/inbox", query: { ...query } }),
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
      this.call({ method: "POST", path: "/inbox/read-all", body: { up_to_rev: upToRev } }),
    /** Call it when the list is opened: items that were created up to that `rev` are no longer unseen; all items by default. */
    seen: (upToRev?: number): Promise<InboxState> =>
      this.call({ method: "POST", path: "/inbox/seen", body: { up_to_rev: upToRev } }),
  };

  /** The user's choices, by category, type, channel and topic. */
  readonly preferences = {
    get: (): Promise<PreferencesAnswer> => this.call({ method: "GET", path: "/preferences" }),
    /** Replaces the preferences: choices that are not given are removed. */
    put: (preferences: Preferences): Promise<PreferencesAnswer> =>
      this.call({ method: "PUT", path: "/preferences", body: preferences }),
    /** Changes the given choices; null removes one. */
    patch: (change: PreferencesPatch): Promise<PreferencesAnswer> =>
      this.call({ method: "PATCH", path: "/preferences", body: change }),
  };

  /**
   * Keeps an exact copy of the user's inbox. `onChange` gets it once it is loaded, and after each change. Throws when the
   * client has no user.
   */
  live(options: LiveOptions): LiveConnection {
    const { server, apiKey, WebSocket = platformWebSocket() } = this.options;
    const { heartbeatSeconds = 25 } = options;
    if (!(heartbeatSeconds > 0 && heartbeatSeconds <= 600))
      throw new TypeError("heartbeatSeconds must be above 0 and at most 600.");
    const url = (rest: string) => {
      const path = this.path(rest);
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
        this.call({ method: "GET", path: "/inbox", query: { limit: 1 }, signal, patienceMs: 0 }),
      credentials: this.#credentials,
      transports: chosen ? [chosen] : usual,
      onChange: options.onChange,
    });
  }

  /** Reads page after page. The live connection then starts at the first page's `rev`, so no change in between is missed. */
  async #load(signal: AbortSignal): Promise<Replica> {
    const page = (cursor?: string): Promise<InboxAnswer> =>
      this.call({
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
  protected userId(): string {
    const { user } = this.options;
    if (!user)
      throw new BelfryClientError("No user given: pass `user` to the client or call `as(user)`.", {
        code: "no_user",
      });
    return encodeURIComponent(user);
  }

  protected path(rest: string): string {
    return `/v1/users/${this.userId()}${rest}`;
  }

  protected async call<Answer>(call: Call): Promise<Answer> {
    return this.request<Answer>({ ...call, path: this.path(call.path) });
  }

  #item<Answer>(method: Call["method"], id: string, action = ""): Promise<Answer> {
    return this.call({ method, path: `/inbox/${encodeURIComponent(id)}${action}` });
  }
}

const platformWebSocket = () => (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
