import { ask } from "./api.ts";
import type { NotificationType } from "./wire.ts";

let known: Promise<NotificationType[]> | undefined;

/** The registry of types: read once, since it changes with a restart alone. */
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
