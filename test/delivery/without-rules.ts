import { createTurn, type Turn } from "../../src/delivery/turn.ts";

/** The turn of types that have no rules. It reads nothing. */
export function withoutRules(now: () => number): Turn {
  const unread = async () => {
    throw new Error("types without rules read nothing");
  };
  const deliveries = { sibling: unread } as unknown as Parameters<typeof createTurn>[1]["deliveries"];
  return createTurn({ get: () => undefined }, { itemStates: unread, deliveries, now }, "UTC");
}
