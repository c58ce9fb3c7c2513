import { type Static, type TProperties, type TSchema, Type } from "typebox";
import { channelNames } from "../../channels/index.ts";
import { callRuleFields } from "../../core/types.ts";
import { InboxItemDto, inboxState } from "../../model/inbox-dto.ts";
import { idPattern, maxIdCharacters } from "../../model/user-id.ts";
import { hex24 } from "../patterns.ts";

const id = { minLength: 1, maxLength: maxIdCharacters, pattern: idPattern };
export const UserId = Type.String({
  ...id,
  description: "The user's id: 24 hex characters, or any other visible text.",
});
export const TopicKey = Type.String({ ...id, description: "The topic's key, such as `post:7`." });
/** The caller's own name for a notification. */
export const CallerKey = Type.String({
  ...id,
  description:
    "Your own name for it, up to 128 characters, such as `order-1001`. The user's notifications with this key can be taken back.",
});
/** Our ids have 24 hex characters; an older system may have stored other ids. */
const ItemId = Type.String(id);
export const Hex24 = Type.String({ pattern: hex24 });
export const Time = Type.String({ format: "date-time" });

/**
 * An object with these fields and no others. A schema with a `title` is a type of that name in `client/wire.ts` or
 * `web/console/wire.ts` (`npm run generate`).
 */
export const Exactly = <Fields extends TProperties>(fields: Fields, options: { title?: string } = {}) =>
  Type.Object(fields, { ...options, additionalProperties: false });

export const UserPath = Type.Object({ id: UserId });
export const ItemPath = Type.Object({ id: UserId, item: ItemId });

const ChannelRules = Exactly(callRuleFields(channelNames()), { title: "ChannelRules" });

/** The content of a notification, for HTTP and for the library. `types`: the keys of the type registry. */
export const notificationFields = (types: string[]) => ({
  type: Type.String({ enum: types, description: "A notification type." }),
  title: Type.Optional(Type.String({ maxLength: 1_000 })),
  body: Type.Optional(Type.String({ maxLength: 16_384 })),
  data: Type.Optional(
    Type.Unsafe<Record<string, unknown>>(
      Type.Object({}, { additionalProperties: true, description: "At most 8 KiB as JSON." }),
    ),
  ),
  topic: Type.Optional(
    Type.String({
      ...id,
      description: "The topic that it belongs to, such as `post:7`. Users who muted the topic do not get it.",
    }),
  ),
  key: Type.Optional(CallerKey),
  replace: Type.Optional(
    Type.Boolean({
      description:
        "Replaces the user's newest notification with this `key`, under that one's id: in the inbox, where it is unread and on top again, and wherever it has not been sent. What was sent is followed by a new message.",
    }),
  ),
  channels: Type.Optional(
    Type.Union(
      [
        Type.Array(Type.String({ enum: [...channelNames(), "inbox"] }), {
          minItems: 1,
          maxItems: channelNames().length + 1,
          uniqueItems: true,
        }),
        Type.Partial(
          Exactly({
            ...Object.fromEntries(channelNames().map((name) => [name, ChannelRules])),
            inbox: Exactly({}),
          }),
          { minProperties: 1, additionalProperties: false },
        ),
      ],
      {
        description:
          "Replaces the type's channels: a list, or an object with the rules of each, which go before the type's, " +
          'such as `{"email": {"after": "5m"}}`. `inbox` stores the notification in the user\'s inbox.',
      },
    ),
  ),
});

export const ListQuery = Exactly({
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  skip: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      description: "Skips so many of the newest items. Cannot be combined with `cursor`.",
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: 512,
      description: "`next_cursor` of the previous page, with the same user and filters.",
    }),
  ),
  unread: Type.Optional(Type.Boolean()),
  archived: Type.String({ enum: ["true", "false", "any"], default: "false" }),
  type: Type.Optional(Type.String({ maxLength: 64 })),
  target_id: Type.Optional(Hex24),
});
export const ListReply = Type.Object(
  {
    ...inboxState,
    items: Type.Array(InboxItemDto, { description: "Newest first." }),
    next_cursor: Type.Optional(Type.String({ description: "Absent on the last page." })),
  },
  { title: "InboxAnswer" },
);
export const ItemReply = Type.Object({ ...inboxState, item: InboxItemDto }, { title: "ItemAnswer" });
export const StateReply = Type.Object(inboxState, { title: "InboxState" });
export const ReadAllBody = Exactly({
  up_to_rev: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Items that were added or changed after this `rev` stay unread. Default: all items are marked as read.",
    }),
  ),
});
export const SeenBody = Exactly({
  up_to_rev: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Items that were added after this `rev` stay unseen. Default: all items are marked as seen.",
    }),
  ),
});
export const ReadAllReply = Type.Object(
  { ...inboxState, changed: Type.Integer({ description: "How many items were marked as read." }) },
  { title: "ReadAllAnswer" },
);

const url = Type.String({ maxLength: 2_048 });
const fields = {
  email: Type.String({ maxLength: 254, description: "One e-mail address, without a name." }),
  phone: Type.String({
    maxLength: 40,
    description: "Phone number with its country code. Stored in E.164 form, such as +12025550100.",
  }),
  locale: Type.String({ maxLength: 64, description: "BCP 47 language tag, such as en-GB." }),
  time_zone: Type.String({ maxLength: 64, description: "IANA time zone, such as Europe/Berlin." }),
};
const Webhook = Exactly({
  url,
  secrets: Type.Optional(
    Type.Array(Type.String({ maxLength: 100 }), {
      minItems: 1,
      maxItems: 2,
      description:
        "Each is `whsec_` and the base64 of 24 to 64 bytes. During a rotation there are two, and both sign. Without it Belfry " +
        "makes a secret, and only this response shows it.",
    }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), {
      description:
        "Headers of each call, such as `Authorization`, at most 10. Their values are never returned. " +
        "A webhook is stored as a whole: without `headers` it has none.",
    }),
  ),
});
const WebhookReply = Type.Object({
  url,
  secrets: Type.Optional(
    Type.Array(Type.String(), { description: "The new secret. Only this response shows it." }),
  ),
  header_names: Type.Optional(
    Type.Array(Type.String(), { description: "Names of `headers`. Their values are never returned." }),
  ),
  failing_since: Type.Optional(
    Type.String({
      format: "date-time",
      description: "Time of the first failure. No attempt has succeeded since.",
    }),
  ),
  disabled: Type.Optional(
    Type.Object(
      {
        since: Time,
        reason: Type.String({
          description: "`failing`: every attempt failed for 5 days. `address`: the target answered 410.",
        }),
      },
      {
        description:
          "Nothing is sent to this webhook. Store it again, or remove the suppression, to enable it.",
      },
    ),
  ),
});
export const PutProfile = Type.Partial(Exactly({ ...fields, webhook: Webhook }), {
  title: "ProfileBody",
  additionalProperties: false,
});
/** One schema instead of `anyOf`, which would report problems of both branches. */
const orNull = <Field extends TSchema & { type: string }>(field: Field) =>
  Type.Unsafe<Static<Field> | null>({ ...field, type: [field.type, "null"] });
export const PatchProfile = Type.Partial(
  Exactly({
    email: orNull(fields.email),
    phone: orNull(fields.phone),
    locale: orNull(fields.locale),
    time_zone: orNull(fields.time_zone),
    webhook: orNull(Webhook),
  }),
  { title: "ProfilePatch", additionalProperties: false },
);
export const ProfileReply = Type.Object(
  { id: Type.String(), ...Type.Partial(Type.Object({ ...fields, webhook: WebhookReply })).properties },
  { title: "ProfileAnswer" },
);
