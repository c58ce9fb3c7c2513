import type { Notifier } from "../core/notify.ts";
import type { LaterCommand } from "../core/send-later.ts";
import type { JobKind } from "./kind.ts";
import { sendTo } from "./send.ts";

/** One notification to up to 1,000 users, at its time. Their notifications' ids were made with the job. */
export const later = (core: Pick<Notifier, "notifyEach">): JobKind<LaterCommand> => ({
  name: "later",
  atOnce: 16,
  run: ({ command: { notification, targets } }) => sendTo(core, notification, targets),
});
