import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { createHub, type Hub } from "./realtime/hub.ts";
import type { Store } from "./store/index.ts";

/** At a stop, devices reconnect at a random moment within this time. */
const comeBackMs = 5_000;
/** A change of another instance whose hint was lost shows after this. 10,000 users take 3 % of a core of MongoDB. */
const compareMs = 5_000;

/**
 * Sends changes made by any process to the devices of this one. The server closes the hub; `onOpen` gets the closer of what
 * follows the other processes.
 */
export function openHub(
  store: Store,
  { uri, metrics, log }: { uri: string; metrics: Metrics; log: Logger },
  onOpen: (close: () => Promise<unknown>) => void,
): Hub {
  const { random } = Math;
  const hub = createHub({
    read: store.changes,
    readRevs: store.revs,
    compareMs,
    jitterMs: comeBackMs,
    random,
    onRead: metrics.liveRead,
    log,
  });
  const watch = store.watch({ uri, onChange: hub.touchHashes, onLost: hub.touchAll, random, log });
  onOpen(watch.close);
  metrics.watchLive(
    () => hub.size,
    () => watch.open,
  );
  return hub;
}
