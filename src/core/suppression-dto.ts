import { type Static, Type } from "typebox";
import { suppressionReasons } from "../model/channel.ts";
import { Time } from "../model/schema.ts";
import type { SuppressionEntry } from "../model/suppression.ts";
import { ChannelName } from "./delivery-dto.ts";

export const SuppressionDto = Type.Object(
  {
    user_id: Type.String(),
    channel: ChannelName,
    address: Type.String({ description: "A new address of the user is not suppressed." }),
    reason: Type.String({ enum: [...suppressionReasons] }),
    at: Time(),
  },
  { title: "Suppression" },
);

export function suppressionDto({
  user,
  channel,
  address,
  reason,
  at,
}: SuppressionEntry): Static<typeof SuppressionDto> {
  return { user_id: user, channel, address, reason, at: at.toISOString() };
}
