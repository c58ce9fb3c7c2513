import { type DeliveryState, nobody } from "../model/delivery.ts";
import type { DeliveryFilter, DeliveryRecord, DeliverySummary } from "../model/delivery-record.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor, type Page, pageOf } from "./cursor.ts";

/** Looks up deliveries, and resends one. `announce` gets deliveries that are pending again. */
export function createDeliveries(
  { deliveries, now }: Pick<Store, "deliveries" | "now">,
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void = () => {},
) {
  async function show(id: string): Promise<DeliveryRecord> {
    const found = await deliveries.one(id);
    if (!found) throw new BelfryError("not_found", `There is no delivery ${id}.`);
    return found;
  }

  return {
    /** Newest first. Deliveries added in the meantime do not move the pages. */
    async list(filter: DeliveryFilter, limit: number, cursor?: CursorText): Promise<Page<DeliverySummary>> {
      const before = cursor && decodeCursor(cursor.text, filter, idForm, cursor.pointer);
      const found = await deliveries.page(filter, before, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(filter, last.id));
    },

    show,

    /**
     * Resends it under the same id, with all tries. Rejects with `not_found`, and with `delivery_not_retryable` for a
     * delivery that was sent, is being sent or was recalled.
     */
    async retry(id: string): Promise<DeliveryRecord> {
      const moved = await deliveries.retry(id, now());
      const delivery = await show(id);
      if (!moved) {
        const arrived = delivery.state === "sent" || delivery.state === "delivered";
        const why = arrived
          ? "it was already sent"
          : delivery.recalledAt !== undefined
            ? "its caller has taken it back"
            : (notOwn[delivery.state] ?? "it is still being sent");
        throw new BelfryError(
          "delivery_not_retryable",
          `The delivery ${id} is ${delivery.state}: ${delivery.user === nobody ? "its user was erased" : why}.`,
        );
      }
      announce([delivery]);
      return delivery;
    },
  };
}

/** States in which a delivery is not sent by itself. */
const notOwn: Partial<Record<DeliveryState, string>> = {
  held: "it waits in a digest",
  digested: "it is in the message of a digest",
};

export type Deliveries = ReturnType<typeof createDeliveries>;

export const idForm = /^[0-9a-f]{24}$/;
