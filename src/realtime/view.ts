import { changeSince, type InboxChange, type InboxChanges } from "../model/live.ts";

/** The part of a view that a device at `rev` needs: exactly what a read since `rev` would have returned at that moment. */
export function changesAfter(rev: number, view: InboxChanges): InboxChanges {
  const changes = view.changes.flatMap((one): InboxChange[] => {
    if (one.change === "deleted") return one.rev > rev ? [one] : [];
    return one.item.rev > rev ? [changeSince(rev, one.item)] : [];
  });
  return { ...view, since: rev, changes };
}
