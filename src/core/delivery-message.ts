import { Type } from "typebox";
import { channelOf } from "../channels/index.ts";
import { nobody } from "../model/delivery.ts";
import type { DeliverySource } from "../model/delivery-record.ts";
import { defaultKeep } from "../model/digest.ts";
import { createGathering } from "../model/digest-content.ts";
import { BelfryError } from "../model/errors.ts";
import type { Store } from "../store/index.ts";
import type { TypeRegistry } from "./notification-types.ts";
import { PreviewDto } from "./preview.ts";

/** A delivery's content and its message as its channel shows it, rendered now. */
export const DeliveryMessageDto = Type.Object(
  {
    type: Type.String(),
    title: Type.Optional(Type.String()),
    body: Type.Optional(Type.String()),
    target_id: Type.Optional(Type.String()),
    data: Type.Optional(Type.Object({}, { additionalProperties: true })),
    address: Type.Optional(
      Type.String({ description: "The user's address on this channel today. Absent when there is none." }),
    ),
    email: Type.Optional(
      Type.Object({ subject: Type.String(), text: Type.String(), html: Type.Optional(Type.String()) }),
    ),
    sms: PreviewDto.properties.sms,
    webhook: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: "The body of the request." }),
    ),
    problem: Type.Optional(Type.String({ description: "Why the message cannot be rendered." })),
  },
  { title: "DeliveryMessage" },
);

/** Deliveries store their content, not the message: it is rendered again with the current templates and profile. */
export function createDeliveryMessage(
  { deliveries, users, digests }: Pick<Store, "deliveries" | "users" | "digests">,
  { render, get }: Pick<TypeRegistry, "render" | "get">,
) {
  /** A digest with the notifications that it has by now. */
  async function contentOf({ id, user, channel, content, digest }: DeliverySource & { id: string }) {
    if (!digest) return content;
    const gathering = createGathering(get(content.key)?.rules[channel]?.digest?.keep ?? defaultKeep);
    for await (const page of digests.members(user, id))
      for (const one of page) {
        const { priority = "normal", by } = get(one.content.key) ?? {};
        gathering.add(one, { priority, by: by?.("digest", channel, one.content, { id: user }) });
      }
    return gathering.message(content, digest).content;
  }

  return async (id: string): Promise<{ type: string; [field: string]: unknown }> => {
    const found = await deliveries.source(id);
    if (!found) throw new BelfryError("not_found", `There is no delivery ${id}.`);
    const { channel, user } = found;
    if (user === nobody)
      throw new BelfryError("not_found", `The user of delivery ${id} was erased, and its message with it.`);
    const content = await contentOf({ ...found, id });
    const [known = {}] = await users.many([user]);
    const rules = channelOf(channel);
    const address = rules.addresses(known)[0]?.address;
    const { key: type, title, body, targetId: target_id, data } = content;
    const shown = { type, title, body, target_id, data, ...(address !== undefined && { address }) };
    try {
      const reader = { id: user, locale: known.locale, timeZone: known.timeZone };
      const message = rules.message(
        render(channel, content, reader),
        { ...found, content },
        address ?? "",
        known,
      );
      const refusal = rules.refusal?.(message);
      return refusal ? { ...shown, problem: refusal.text } : { ...shown, [channel]: rules.shown(message) };
    } catch (error) {
      return { ...shown, problem: (error as Error).message };
    }
  };
}
