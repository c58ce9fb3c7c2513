import type { InboxItem } from "../../model/live.ts";
import { canonicalUser, isUserId } from "../../model/user-id.ts";

export const identifiers = ["MESSAGE", "SUBSCRIPTION_EXPIRY", "PROFILE_SETUP"] as const;
export type Identifier = (typeof identifiers)[number];

/** An inbox item as the live dialect shows it. Times are Unix seconds. */
export interface LiveNotification {
  notification_id: string;
  title: string;
  description: string | null;
  receiver_user_id: string;
  identifier: Identifier | null;
  read_status: "unread" | "read";
  created_at: number;
  updated_at: number;
}

type Shown = Pick<
  InboxItem,
  "id" | "user_id" | "key" | "title" | "body" | "is_new" | "timestamp" | "changed"
>;

export function notificationOnWire(item: Shown): LiveNotification {
  return {
    notification_id: notificationId(item),
    title: item.title ?? item.key,
    description: item.body ?? null,
    receiver_user_id: item.user_id,
    identifier: identifiers.find((one) => one === item.key) ?? null,
    read_status: item.is_new ? "unread" : "read",
    created_at: item.timestamp,
    updated_at: item.changed,
  };
}

/** The dialect's calls name no user, so the id contains it: `<item id>.<base64url of the user id>`. */
const notificationId = ({ id, user_id }: Shown): string =>
  `${id}.${Buffer.from(user_id).toString("base64url")}`;

/** Undefined when the text has another form. */
export function readNotificationId(text: string): { user: string; id: string } | undefined {
  const [, id = "", encoded = ""] = /^(.{1,128})\.([\w-]{2,683})$/.exec(text) ?? [];
  const user = Buffer.from(encoded, "base64url").toString("utf8");
  const exact = Buffer.from(user).toString("base64url") === encoded;
  return exact && isUserId(user) ? { user: canonicalUser(user), id: canonicalUser(id) } : undefined;
}
