import { changesOnWire, stateOf, type WireMessage } from "../../model/inbox-dto.ts";
import type { InboxChanges } from "../../model/live.ts";

/** A larger message becomes `resync`, because the client can read the list in pages for less. */
const maxBytes = 512 * 1024;

export const textOf = (message: WireMessage): string => JSON.stringify(message);

/** Encodes once for all devices that get the same object, such as the 1,000 of a fan-out. */
export function shared<Made>(make: (changes: InboxChanges) => Made): (changes: InboxChanges) => Made {
  const made = new WeakMap<InboxChanges, Made>();
  return (changes) => {
    let one = made.get(changes);
    if (one === undefined) {
      one = make(changes);
      made.set(changes, one);
    }
    return one;
  };
}

/** The message for these changes, with its type. */
export const changesText = shared((changes): { type: "changes" | "resync"; text: string } => {
  const text = textOf(changesOnWire(changes));
  if (Buffer.byteLength(text) <= maxBytes) return { type: "changes", text };
  return { type: "resync", text: textOf({ type: "resync", ...stateOf(changes) }) };
});
