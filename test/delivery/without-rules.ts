import { createTurn, type Turn, type TurnStore } from "../../src/delivery/turn.ts";

/** The turn of types that have no rules. It reads nothing. */
export function withoutRules(now: () => number): Turn {
  const unread = async () => {
    throw new Error("types without rules read nothing");
  };
  const store = {
    itemStates: unread,
    deliveries: { sibling: unread },
    digests: { join: unread },
    limits: { count: unread },
  };
  return createTurn({ get: () => undefined, budgets: {} }, { ...store, now } as unknown as TurnStore, "UTC");
}
