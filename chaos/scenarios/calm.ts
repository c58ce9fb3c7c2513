import { onStage, type Place, type Result } from "../stage.ts";

/** Nothing happens: every create is acknowledged, and every mail goes out once. */
export function calm(place: Place, { creates }: { creates: number }): Promise<Result> {
  return onStage({ scenario: "no faults", place, mayBe: [] }, async ({ fleet, load }) => {
    await Promise.all([fleet.add("api", 2), fleet.add("worker", 2)]);
    await load({ creates }).done;
    return { played: `${creates} creates, 2 APIs, 2 workers`, duplicatesAllowed: 0 };
  });
}
