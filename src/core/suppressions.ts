import { channelNames } from "../channels/index.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import type { SuppressionEntry, SuppressionFilter } from "../model/suppression.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor, type Page, pageOf } from "./cursor.ts";

/** Suppressed addresses, for an operator. */
export function createSuppressions({ suppressions }: Pick<Store, "suppressions">) {
  return {
    async list(
      filter: SuppressionFilter,
      limit: number,
      cursor?: CursorText,
    ): Promise<Page<SuppressionEntry>> {
      const place = cursor && decodeCursor(cursor.text, filter, placeForm, cursor.pointer);
      const [, channel, user] = placeForm.exec(place ?? "") ?? [];
      const after = channel !== undefined && user !== undefined ? { channel, user } : undefined;
      const found = await suppressions.list(filter, after, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(filter, `${last.channel}/${last.user}`));
    },

    /**
     * Removes all suppressions that match. Opt-outs stay unless the filter's reason names them, and so does a suppression
     * that is made again in the meantime. `more`: the limit of one call is reached, call again.
     */
    async removeAll(
      filter: SuppressionFilter,
      dryRun: boolean,
      most = mostRemoved,
    ): Promise<{ removed: number; more: boolean }> {
      let removed = 0;
      let after: { user: string; channel: string } | undefined;
      for (let seen = 0; seen < most; ) {
        const found = await suppressions.list(filter, after, Math.min(removalBatch, most - seen));
        if (found.length === 0) return { removed, more: false };
        const meant = found.filter((one) => one.reason !== "opt_out" || filter.reason === "opt_out");
        const done = dryRun
          ? meant.map(() => true)
          : await Promise.all(meant.map((one) => suppressions.remove(one.user, one.channel, one.at)));
        removed += done.filter(Boolean).length;
        seen += found.length;
        after = found.at(-1);
      }
      return { removed, more: (await suppressions.list(filter, after, 1)).length > 0 };
    },

    /** Later deliveries to the address are sent again. */
    async remove(user: string, channel: Channel): Promise<void> {
      if (!(await suppressions.remove(user, channel)))
        throw new BelfryError("not_found", `The user ${user} has no suppression for ${channel}.`);
    },
  };
}

export type Suppressions = ReturnType<typeof createSuppressions>;

const mostRemoved = 10_000;
const removalBatch = 50;
const placeForm = new RegExp(`^(${channelNames().join("|")})/(.{1,128})$`, "s");
