import type { Broadcast } from "../../../src/client/wire.ts";
import { plural } from "../format.ts";

/** Whom a broadcast goes to, in words. */
export function audienceName({ topic, users, filter }: Broadcast["to"]): string {
  if (topic !== undefined) return `Topic ${topic}`;
  if (users !== undefined) return plural(users, "named user");
  if (filter === undefined) return "All users";
  return Object.entries(filter)
    .map(([field, value]) => `${field} = ${[value].flat().join(" or ")}`)
    .join(", ");
}

export const isOpen = ({ status }: Broadcast): boolean => status === "scheduled" || status === "running";

export const statusName = ({ status, stopping }: Broadcast): string => {
  if (stopping !== undefined) return stopping === "pause" ? "pausing" : "canceling";
  return status === "scheduled" ? "waiting" : status;
};
