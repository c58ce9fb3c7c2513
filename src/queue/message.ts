import type { Channel } from "../model/notification.ts";

/** A message of the queue: the ids of due deliveries, without content. */
export interface Announcement {
  channel: Channel;
  /** 24 hex characters each. */
  ids: string[];
}

/** Ids in one message: few confirms, and still enough messages for several workers to share. */
export const maxIds = 50;

/** Groups by channel and cuts into messages. */
export function announcementsOf(deliveries: Array<{ id: string; channel: Channel }>): Announcement[] {
  const announcements: Announcement[] = [];
  const open = new Map<Channel, Announcement>();
  for (const { id, channel } of deliveries) {
    let announcement = open.get(channel);
    if (!announcement || announcement.ids.length === maxIds) {
      announcement = { channel, ids: [] };
      open.set(channel, announcement);
      announcements.push(announcement);
    }
    announcement.ids.push(id);
  }
  return announcements;
}

/**
 * Reads a message's body, parsed from JSON by the client library. Undefined when it is not ours. `channels`: the
 * names of all channels.
 */
export function readAnnouncement(body: unknown, channels: Channel[]): Announcement | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { channel, ids } = body as Partial<Record<keyof Announcement, unknown>>;
  const ours =
    typeof channel === "string" &&
    channels.includes(channel) &&
    Array.isArray(ids) &&
    ids.length >= 1 &&
    ids.length <= maxIds &&
    ids.every((id) => typeof id === "string" && /^[0-9a-f]{24}$/.test(id));
  return ours ? { channel, ids } : undefined;
}
