import type { NotificationKey, TypedData } from "../model/notification-data.ts";
import { broadcastCalls } from "./broadcasts.ts";
import { jobCalls } from "./jobs.ts";
import { newKey } from "./platform.ts";
import { scheduleCalls } from "./schedules.ts";
import { topicCalls } from "./topics.ts";
import { UserClient } from "./user-client.ts";
import type {
  Delivery,
  DigestList,
  DryRunAnswer,
  NotificationAnswer,
  NotificationBody,
  ProfileAnswer,
  ProfileBody,
  ProfilePatch,
  RecallAnswer,
  RecallBody,
  TokenAnswer,
} from "./wire.ts";

/** The notification, and its recipients. `data` has the form that `NotificationData` declares for the type. */
export type NotifyBody<Key extends NotificationKey = NotificationKey> = Omit<
  NotificationBody,
  "type" | "data"
> &
  TypedData<Key>;

/** Belfry's own API for pages, apps and programs. */
export class BelfryClient extends UserClient {
  /** The same client for another user. */
  as(user: string): BelfryClient {
    return new BelfryClient({ ...this.options, user });
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
    return this.request({
      method: "POST",
      path: "/v1/notifications",
      body: notification,
      headers: { "idempotency-key": idempotencyKey },
    });
  }

  /** Writes nothing, and tells what would happen to each recipient on each channel, when, and by which rule. */
  dryRun(notification: NotifyBody): Promise<DryRunAnswer> {
    return this.request({
      method: "POST",
      path: "/v1/notifications",
      query: { dry_run: true },
      body: notification,
    });
  }

  /**
   * Takes a notification back: out of the inbox, on every open page at once, and before it is sent where there is still time.
   * By its `id`, or all of a user's with your `key`. The answer tells what it came to on each channel. Needs an API key.
   */
  recall(notification: RecallBody): Promise<RecallAnswer> {
    return this.request({ method: "POST", path: "/v1/notifications/recall", body: notification });
  }

  /** Notifications that are sent later, and other work in the background. Needs an API key. */
  readonly jobs = jobCalls(this.request);
  /** Notifications that are sent again and again. Needs an API key. */
  readonly schedules = scheduleCalls(this.request);
  /** Lists of users. All but `mine`, `subscribe` and `unsubscribe` need an API key; those two do where the topic is not open. */
  readonly topics = topicCalls(this.request, () => this.userId());
  /** One notification to many users, in the background. Needs an API key. */
  readonly broadcasts = broadcastCalls(this.request);

  /** Notifications that are gathered. Needs an API key. */
  readonly digests = {
    /** The user's open digests; everybody's when the client has no user. */
    list: (): Promise<DigestList> =>
      this.request({ method: "GET", path: "/v1/digests", query: { user_id: this.options.user } }),
    /** Sends an open digest now. Rejects with `not_found` and `digest_not_open`. */
    release: (id: string): Promise<Delivery> =>
      this.request({ method: "POST", path: `/v1/digests/${encodeURIComponent(id)}/release` }),
  };

  /** The user's addresses and settings. Needs an API key. */
  readonly profile = {
    get: (): Promise<ProfileAnswer> => this.call({ method: "GET", path: "" }),
    /** Replaces the profile: fields that are not given are removed. */
    put: (profile: ProfileBody): Promise<ProfileAnswer> =>
      this.call({ method: "PUT", path: "", body: profile }),
    /** Changes the given fields; null removes one. */
    patch: (change: ProfilePatch): Promise<ProfileAnswer> =>
      this.call({ method: "PATCH", path: "", body: change }),
    /** Erases all of the user's data: profile, inbox and pending deliveries. */
    remove: (): Promise<void> => this.call({ method: "DELETE", path: "" }),
  };

  /** Creates a token for the user's pages. Needs an API key. */
  createToken({ ttlSeconds }: { ttlSeconds?: number } = {}): Promise<TokenAnswer> {
    return this.call({ method: "POST", path: "/token", body: { ttl_seconds: ttlSeconds } });
  }
}
