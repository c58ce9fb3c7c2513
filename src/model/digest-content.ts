import type { DeliveryContent, DigestContent } from "./delivery.ts";
import { type DigestKey, type Priority, priorities } from "./digest.ts";

/** A notification in a digest, as it is gathered. */
export interface Gathered {
  notification: string;
  content: DeliveryContent;
}

/** The type of a notification. */
interface Kind {
  priority: Priority;
  /** The value of the `by` of its digest. */
  by: string | undefined;
}

/**
 * Gathers the notifications of a digest, which are added oldest first: counts all, and keeps `keep` of them, the newest of
 * those with the highest priority.
 */
export function createGathering(keep: number) {
  const items: Array<Gathered & { rank: number }> = [];
  const groups = new Map<string, DigestContent["groups"][number]>();
  let count = 0;
  return {
    add({ notification, content }: Gathered, { priority, by }: Kind): void {
      count++;
      items.push({ notification, content, rank: priorities.indexOf(priority) });
      if (items.length > keep) {
        const lowest = Math.min(...items.map(({ rank }) => rank));
        items.splice(
          items.findIndex(({ rank }) => rank === lowest),
          1,
        );
      }
      const type = content.key;
      const key = JSON.stringify([type, by]);
      const group = groups.get(key) ?? { type, ...(by !== undefined && { by }), count: 0 };
      group.count++;
      groups.set(key, group);
    },
    get count() {
      return count;
    },
    /** The only notification is sent as its type's own message. Otherwise all are in one. */
    message(content: DeliveryContent, { scope, by }: DigestKey): { content: DeliveryContent; of?: string } {
      const [only] = items;
      if (count === 1 && only) return { content: only.content, of: only.notification };
      const digest: DigestContent = {
        scope,
        ...(by !== undefined && { by }),
        count,
        // The sort is stable.
        items: items.sort((a, b) => b.rank - a.rank).map((one) => one.content),
        groups: [...groups.values()],
      };
      return { content: { ...content, digest } };
    },
  };
}
