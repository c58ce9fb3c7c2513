import type { DeliverySummary } from "../model/delivery-record.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { createDeliveries } from "./deliveries.ts";

/** Open digests, and their early release. `announce` gets a digest that is due now. */
export function createDigests(
  store: Pick<Store, "deliveries" | "now">,
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void = () => {},
) {
  const { show } = createDeliveries(store);
  return {
    /** A user's, or everybody's in the order of their users. */
    list: (user: string | undefined, limit: number): Promise<DeliverySummary[]> =>
      store.deliveries.openDigests(user, limit),

    /**
     * Makes it due now. The rules still decide: in the user's quiet hours it waits for their end. Rejects with `not_found`,
     * and with `digest_not_open` once it was sent.
     */
    async release(id: string): Promise<DeliverySummary> {
      const released = await store.deliveries.release(id, store.now());
      const digest = await show(id);
      if (!digest.digest) throw new BelfryError("not_found", `The delivery ${id} is no digest.`);
      if (!released)
        throw new BelfryError(
          "digest_not_open",
          `The digest ${id} is ${digest.state}, so it cannot be released.`,
        );
      announce([digest]);
      return digest;
    },
  };
}
