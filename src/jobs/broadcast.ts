import type { BroadcastCommand, BroadcastCursor, Broadcasts } from "../core/broadcasts.ts";
import type { Notifier } from "../core/notify.ts";
import { secondsOfId } from "../model/ids.ts";
import { idOf } from "./ids.ts";
import type { JobKind } from "./kind.ts";
import { sendTo } from "./send.ts";

/** The weight of the last page in the rate that is shown. */
const newest = 0.2;

/**
 * One notification to an audience, page by page. Its ids are made of the job and the user, so a page that is repeated
 * after a crash stores nothing twice, and counts those who have it. Each page ends with a checkpoint.
 */
export const broadcast = (
  core: Pick<Notifier, "notifyEach" | "broadcastPage"> & { broadcasts: Pick<Broadcasts, "page"> },
): JobKind<BroadcastCommand, BroadcastCursor> => ({
  name: "broadcast",
  atOnce: 4,
  async run({ id, command, cursor, done, failed }, { save, signal }) {
    const at = secondsOfId(id) * 1_000;
    let rate = cursor?.rate;
    let error: string | undefined;
    const read = (from: string | undefined) =>
      core.broadcasts.page(command, from, core.broadcastPage(), signal);
    let reading = read(cursor?.next);
    for (;;) {
      const began = performance.now();
      const { users, next } = await reading;
      if (next !== undefined) {
        // While these are stored.
        reading = read(next);
        reading.catch(() => {});
      }
      const targets = users.map((user) => ({ user, id: idOf(at, id, user) }));
      const sent = await sendTo(core, { ...command.notification, bulk: true }, targets);
      done += sent.done;
      failed += sent.failed;
      error = sent.error ?? error;
      if (next === undefined) return { done, failed, total: done + failed, ...(error && { error }) };
      const now = users.length / ((performance.now() - began) / 1_000);
      rate = rate === undefined ? now : rate + newest * (now - rate);
      await save({ next, rate }, { done, failed });
    }
  },
});
