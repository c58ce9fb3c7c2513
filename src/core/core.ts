import type { Engine } from "../delivery/engine.ts";
import type { Channel } from "../model/notification.ts";
import type { Receipt } from "../model/receipt.ts";
import type { Queue } from "../queue/rabbitmq.ts";
import type { Hub } from "../realtime/hub.ts";
import type { Store } from "../store/index.ts";
import { createBroadcasts } from "./broadcasts.ts";
import { createDeliveries } from "./deliveries.ts";
import { createDeliveryMessage } from "./delivery-message.ts";
import { createDigests } from "./digests.ts";
import { createDryRun } from "./dry-run.ts";
import { createExplain } from "./explain.ts";
import { createFindUsers } from "./find-users.ts";
import { createHistory } from "./history.ts";
import { createInbox } from "./inbox.ts";
import { createJobs } from "./jobs.ts";
import { readLedger } from "./ledger.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { createNotifier } from "./notify.ts";
import { createPreferences } from "./preferences.ts";
import { createPreview } from "./preview.ts";
import { createRecall } from "./recall.ts";
import { createReceiver } from "./receipts.ts";
import { createRedrive } from "./redrive.ts";
import { createSchedules } from "./schedules.ts";
import { createSendLater } from "./send-later.ts";
import { readSendTime, type WrittenSendTime } from "./send-time.ts";
import { createSuppressions } from "./suppressions.ts";
import { createTopics } from "./topics.ts";
import { createUnsubscribe } from "./unsubscribe.ts";

/** The other parts of this process; each may be absent. */
export interface CoreOptions {
  /** Sends deliveries. */
  engine?: Engine | undefined;
  /** Announces deliveries to other processes. */
  queue?: Queue | undefined;
  /** Serves live connections. */
  hub?: Hub | undefined;
  /** Called with the time (Unix ms) at which a stored or changed job or schedule is due. */
  onJob?: ((due: number) => void) | undefined;
  /** How many requests may wait: notifications for a commit, and pages for a read. */
  maxWaiting?: number;
  /** The time zone of users who have none; UTC by default. */
  timeZone?: string;
  /** Called with the size and outcome of each commit (metrics). */
  onBatch?: (size: number, stored: number) => void;
  /** Called with each report of a provider (metrics). */
  onReceipt?: (receipt: Receipt) => void;
}

/** All use cases on one store: for HTTP, the library and the command line. */
export function createCore(store: Store, registry: TypeRegistry, options: CoreOptions = {}) {
  const { engine, queue, hub, onJob = () => {}, maxWaiting, timeZone = "UTC", onBatch, onReceipt } = options;

  /** Tells workers of deliveries that any of them may take. A broadcast's would be in the way of others in a queue. */
  function announce(deliveries: Array<{ id: string; channel: Channel; bulk?: true }>): void {
    queue?.announce(deliveries.filter(({ bulk }) => !bulk));
    for (const channel of new Set(deliveries.map((one) => one.channel))) engine?.wake(channel);
  }
  /** Tells this process's devices, and the other instances, whose inboxes may have changed. */
  const touch = (users: string[]) => {
    hub?.touch(users);
    store.tellChanged(users);
  };
  /** The user's document changed, so devices and claimed deliveries must see it anew. */
  const changed = (user: string) => {
    touch([user]);
    engine?.forget(user);
  };

  const notifier = createNotifier(store, registry, {
    engine,
    announce,
    touch,
    ...(maxWaiting !== undefined && { maxWaiting }),
    ...(onBatch && { onBatch }),
  });
  const receive = createReceiver(store);
  const inbox = createInbox(store.inbox, touch, maxWaiting);
  const jobs = createJobs(store, onJob);
  const dryRun = createDryRun(store, registry, notifier, timeZone);
  const preferences = createPreferences(store, registry, { timeZone, changed });
  return {
    registry,
    ...notifier,
    /** When a notification is sent that is not sent now. */
    sendTime: (written: WrittenSendTime, names?: Parameters<typeof readSendTime>[2]) =>
      readSendTime(written, store.now(), names),
    sendLater: createSendLater(store, notifier, onJob),
    jobs,
    broadcasts: createBroadcasts(store, notifier, { dryRun, jobs, onJob }),
    schedules: createSchedules(store, notifier, { timeZone, onDue: onJob }),
    inbox,
    dryRun,
    explain: createExplain(store),
    recall: createRecall(store, touch),
    preferences,
    unsubscribe: createUnsubscribe(registry, preferences),
    history: createHistory(store, inbox),
    deliveries: createDeliveries(store, announce),
    digests: createDigests(store, announce),
    deliveryMessage: createDeliveryMessage(store, registry),
    redrive: createRedrive(store, announce),
    ledger: (from?: number, to?: number) => readLedger(store, from, to),
    suppressions: createSuppressions(store),
    topics: createTopics(store),
    receive: (receipt: Receipt) => receive(receipt).then(() => onReceipt?.(receipt)),
    findUsers: createFindUsers(store.search),
    preview: createPreview(registry, store.now),
    /** Even after a failure, because the document is erased first. */
    erase: (user: string) => store.erase(user).finally(() => changed(user)),
  };
}

export type Core = ReturnType<typeof createCore>;
