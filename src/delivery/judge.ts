import type { AttemptOutcome } from "../model/delivery.ts";

/** `since`: when the notification was created (Unix ms). */
export type Judge = (outcome: AttemptOutcome, recipient: string, since: number) => AttemptOutcome;

const recentMs = 10 * 60_000;
const deferMs = 60_000;
/** When this many recipients in a row are refused, the cause is our side. */
const refusedInRow = 5;
/** A refusal of us that meets the same recipient this often, while others are accepted, is about that recipient. */
const aloneTimes = 3;
/** An unexplained refusal becomes final after this time when there is no other recipient to compare with. */
const longestDoubtMs = 24 * 60 * 60_000;
const mostRemembered = 10_000;

/**
 * Decides about refusals whose words do not say whether the recipient or our side is the cause. It compares with the
 * outcomes of other recipients.
 *
 * - `doubt.named` ("550 no such user", "550 5.7.1 blocked"): fails. The address is suppressed only when the server
 *   accepted somebody within ten minutes. Five recipients refused in a row count as a refusal of us, for a day.
 * - `doubt` without it ("550 no"): fails, and is suppressed, once somebody else was accepted between two refusals of
 *   this recipient. Until then it uses up no try. It waits a minute; or, when nobody was accepted for ten minutes or
 *   five recipients were refused in a row, it counts as a refusal of us. A lone recipient fails after a day and is
 *   not suppressed.
 * - `perhapsOneOnly` ("relay denied"): a refusal of us, unless others were accepted between four refusals of this
 *   recipient. Then it fails as `policy`.
 *
 * It uses only this process's memory. After a restart nobody has been accepted, so no address is wrongly suppressed.
 */
export function createJudge(now: () => number): Judge {
  let accepted = 0;
  let acceptedAt = Number.NEGATIVE_INFINITY;
  /** Refused since the newest acceptance. */
  const inRow = new Set<string>();
  /** By recipient: `accepted` at the newest refusal, and how often others were accepted between two refusals. */
  const refusals = new Map<string, { accepted: number; alone: number }>();

  function noteRefusal(recipient: string): number {
    const before = refusals.get(recipient);
    const alone = before === undefined ? 0 : before.alone + (accepted > before.accepted ? 1 : 0);
    refusals.delete(recipient);
    refusals.set(recipient, { accepted, alone });
    const [oldest] = refusals.keys();
    if (refusals.size > mostRemembered) refusals.delete(oldest as string);
    if (inRow.size < refusedInRow) inRow.add(recipient);
    return alone;
  }

  return (outcome, recipient, since) => {
    if (outcome.kind === "sent") {
      accepted++;
      acceptedAt = now();
      inRow.clear();
      refusals.delete(recipient);
      return outcome;
    }
    if (outcome.kind === "misconfigured" && outcome.perhapsOneOnly) {
      const { code, text } = outcome;
      return noteRefusal(recipient) < aloneTimes
        ? outcome
        : { kind: "rejected", reason: "policy", code, text };
    }
    if (outcome.kind !== "rejected" || outcome.doubt === undefined) return outcome;
    const { doubt, ...refusal } = outcome;
    const { code, text } = refusal;
    const forgotten = { ...refusal, remember: false } as const;
    const alone = noteRefusal(recipient);
    const everybody = inRow.size >= refusedInRow;
    const recently = now() - acceptedAt < recentMs;
    const old = now() - since > longestDoubtMs;
    const us = { kind: "misconfigured", code, text, remedy: doubt.remedy } as const;
    if (doubt.named) return everybody && !old ? us : recently ? refusal : forgotten;
    if (alone > 0) return refusal;
    if (old && inRow.size === 1) return forgotten;
    return recently && !everybody ? { kind: "retry", code, text, afterMs: deferMs, free: true } : us;
  };
}
