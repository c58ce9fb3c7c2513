import { ask } from "./api.ts";
import type { NotificationType } from "./wire.ts";

let known: Promise<NotificationType[]> | undefined;

/** The notification types, read once: they only change with a restart. */
export function notificationTypes(): Promise<NotificationType[]> {
  known ??= ask<{ data: NotificationType[] }>("GET", "/v1/types").then(
    ({ data }) => data,
    (error) => {
      known = undefined;
      throw error;
    },
  );
  return known;
}
