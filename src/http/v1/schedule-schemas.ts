import { Type } from "typebox";
import { type Missed, missedChoices } from "../../model/schedule.ts";
import { idPattern, maxIdCharacters } from "../../model/user-id.ts";
import { time, when } from "./delivery-schemas.ts";
import { Exactly, Hex24, notificationFields, UserId } from "./schemas.ts";

export const ScheduleKey = Type.String({
  minLength: 1,
  maxLength: maxIdCharacters,
  pattern: idPattern,
  description: "Your name for the schedule.",
});

const Moment = (description: string) =>
  Type.Optional(
    Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], { description: `${description} ${when}` }),
  );

/** A schedule without its key and its notification, for HTTP and for the library. */
export const scheduleFields = {
  recipients: Type.Array(UserId, {
    minItems: 1,
    maxItems: 1_000,
    description: "Users to notify, each once.",
  }),
  cron: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "Minute, hour, day of the month, month, day of the week, such as `0 9 * * mon-fri`.",
  }),
  time_zone: Type.String({
    minLength: 1,
    maxLength: 64,
    description:
      "The zone of `cron`: IANA, such as Europe/Berlin, or `recipient` for each recipient's own. A time that a change of the clock skips is the first moment after it; a time that exists twice counts once, the first.",
  }),
  starts_at: Moment("Nothing is sent before this time."),
  ends_at: Moment("Nothing is sent from this time on."),
  missed: Type.Unsafe<Missed>({
    type: "string",
    enum: [...missedChoices],
    default: "once",
    description:
      "After a time in which no service ran: `once` sends the last missed occurrence, `skip` none.",
  }),
};

/** `types`: the keys of the type registry. */
export const scheduleBody = (types: string[]) =>
  Exactly(
    {
      notification: Exactly(
        { ...notificationFields(types), target_id: Type.Optional(Hex24) },
        { title: "ScheduledNotification" },
      ),
      ...scheduleFields,
    },
    { title: "ScheduleBody" },
  );
