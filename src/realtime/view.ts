import { changeSince, type InboxChange, type InboxChanges } from "../model/live.ts";

/**
 * What of a view, read for a device that knew less, one that knows `rev` needs: the very answer that a question for `rev`
 * would have brought at that moment.
 */
export function changesAfter(rev: number, view: InboxChanges): InboxChanges {
  const changes = view.changes.flatMap((one): InboxChange[] => {
    if (one.change === "deleted") return one.rev > rev ? [one] : [];
    return one.item.rev > rev ? [changeSince(rev, one.item)] : [];
  });
  return { ...view, since: rev, changes };
}
