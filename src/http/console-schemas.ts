import { Type } from "typebox";
import { UserDto } from "../core/find-users.ts";
import { SimulatorDto } from "../core/simulator-switch.ts";
import { SampleDto } from "../core/stats.ts";
import { Time } from "../model/schema.ts";
import { plainText, typeKey } from "./patterns.ts";
import { Exactly, Hex24, PutProfile } from "./v1/schemas.ts";

export const TypePath = Type.Object({ key: Type.String({ pattern: typeKey }) });

/** The fields of a notification, and two of its user. */
export const PreviewBody = Exactly({
  title: Type.Optional(Type.String({ maxLength: 1_000 })),
  body: Type.Optional(Type.String({ maxLength: 16_384 })),
  target_id: Type.Optional(Hex24),
  data: Type.Optional(Type.Object({}, { additionalProperties: true })),
  locale: PutProfile.properties.locale,
  time_zone: PutProfile.properties.time_zone,
});

export const UsersQuery = Exactly({
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 254,
      pattern: plainText,
      description: "A user id or its beginning, an e-mail address or a phone number.",
    }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(
    Type.String({ maxLength: 1_024, description: "`next_cursor` of the previous page, with the same `q`." }),
  ),
});

export const UserPage = Type.Object(
  {
    data: Type.Array(UserDto, { description: "Sorted by id." }),
    next_cursor: Type.Optional(Type.String({ description: "Absent on the last page." })),
  },
  { title: "UserPage" },
);

export const StatsReply = Type.Object(
  {
    interval_seconds: Type.Number(),
    samples: Type.Array(SampleDto, {
      description:
        "One sample for each interval of the last 15 minutes, oldest first, from this process's memory.",
    }),
    providers: Type.Array(
      Type.Object(
        {
          channel: Type.String(),
          name: Type.String(),
          state: Type.String({
            description:
              "`ok`, `open` (it fails; Belfry checks it at intervals) or `paused` (it refuses the configuration).",
          }),
          code: Type.Optional(Type.String({ description: "The code of the provider's last answer." })),
          text: Type.Optional(Type.String({ description: "The provider's last answer, without addresses." })),
          remedy: Type.Optional(Type.String({ description: "What to do." })),
          since: Type.Optional(Time()),
          until: Type.Optional(
            Type.String({ format: "date-time", description: "When the provider is checked again." }),
          ),
        },
        { title: "ProviderHealth" },
      ),
    ),
    overdue: Type.Record(Type.String(), Type.Integer(), {
      description:
        "By channel: deliveries that this process has been sending for longer than a send may take. Always 0 unless something is broken.",
    }),
  },
  { title: "Stats" },
);

/** Absent fields stay as they are, so that two operators who change different fields do not undo each other. */
export const SimulatorBody = Type.Partial(SimulatorDto, { additionalProperties: false, minProperties: 1 });
