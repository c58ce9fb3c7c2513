import type { Static } from "typebox";
import { Type } from "typebox";
import { type BuiltInEntries, channelNames, channels } from "../channels/index.ts";
import type { ChannelRules } from "../model/channel.ts";
import { type Budget, type DigestRule, priorities } from "../model/digest.ts";
import { durationForm } from "../model/duration.ts";
import { type Category, type Choices as Chosen, rhythms, timeOfDay } from "../model/preferences.ts";
import { type CallRules, type ChannelRuleSet, needlessWhen } from "../model/rules.ts";
import { translatedSchema } from "./type-locales.ts";

const categoryKey = "^[A-Za-z0-9_.-]{1,64}$";

type WithRules<Entries> = { [Name in keyof Entries]?: Entries[Name] & ChannelRuleSet };

/** By channel: its templates, settings and rules. */
export type ChannelEntries = WithRules<BuiltInEntries> & { [channel: string]: object | undefined };

const duration = (purpose: string) =>
  Type.String({ pattern: "^[1-9]\\d{0,8}[smhdw]$", description: `${purpose}: ${durationForm}.` });

/** The rules of a channel that a call may give too. `others`: the channels that `if_failed` may name. */
export const callRuleFields = (others: string[]) => ({
  after: Type.Optional(duration("Sent that much later")),
  unless: Type.Optional(
    Type.Unsafe<CallRules["unless"] & string>(
      Type.String({
        enum: [...needlessWhen],
        description: "Not sent when the user has done this with the inbox item by then.",
      }),
    ),
  ),
  if_failed: Type.Optional(
    Type.String({ enum: others, description: "Sent only when the delivery on this channel ended badly." }),
  ),
  expires: Type.Optional(duration("Not sent after this time")),
});

const expression = Type.String({ minLength: 1, maxLength: 1_000 });

const throttleSchema = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
    per: duration("The period"),
    by: Type.Optional(expression),
    over: Type.Union([Type.Literal("skip"), Type.Literal("digest")]),
  },
  { additionalProperties: false },
);

/** A digest: when it is sent, and its templates for the channel. */
const digestSchema = (channel: Pick<ChannelRules, "schema" | "templates">) => {
  const own = translatedSchema(channel) as { properties?: Record<string, object> };
  const isTemplate = (name: string) => name === "locales" || Object.hasOwn(channel.templates, name);
  const templates = Object.entries(own.properties ?? {}).filter(([name]) => isTemplate(name));
  return Type.Object(
    {
      every: Type.Optional(duration("Sent that long after its first notification")),
      cron: Type.Optional(Type.String({ maxLength: 200 })),
      extend: Type.Optional(duration("Sent that long after its newest notification")),
      last: Type.Optional(duration("With `extend`: at the latest that long after its first notification")),
      by: Type.Optional(expression),
      first: Type.Optional(Type.Literal("now")),
      keep: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
      max: Type.Optional(Type.Integer({ minimum: 2, maximum: 100_000 })),
      ...Object.fromEntries(templates.map(([name, schema]) => [name, Type.Optional(Type.Unsafe(schema))])),
    },
    { additionalProperties: false },
  );
};

const withRules = (channel: Pick<ChannelRules, "schema" | "templates">): object => {
  const schema = translatedSchema(channel);
  const fields = {
    ...callRuleFields(channelNames()),
    if: Type.Optional(Type.Array(expression, { minItems: 1, maxItems: 20 })),
    digest: Type.Optional(digestSchema(channel)),
    throttle: Type.Optional(throttleSchema),
  };
  return { ...schema, properties: { ...(schema as { properties?: object }).properties, ...fields } };
};

/** A notification type as in its file. Templates are Liquid; a channel without templates uses the defaults. */
export const NotificationTypeSchema = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500 })),
    /** Whether a record is kept in the user's inbox. */
    inbox: Type.Boolean(),
    /** What users switch on and off together. */
    category: Type.Optional(Type.String({ pattern: categoryKey })),
    /** The user cannot turn it off, and it does not wait for quiet hours to end. */
    mandatory: Type.Optional(Type.Boolean()),
    /** Its place in a digest. */
    priority: Type.Optional(Type.Union(priorities.map((one) => Type.Literal(one)))),
    /** The JSON Schema of `data`. */
    data_schema: Type.Optional(Type.Unsafe<object>(Type.Object({}, { additionalProperties: true }))),
    /** Which inbox items the tag shows as one row, and who caused them: Liquid expressions. */
    group: Type.Optional(
      Type.Object(
        {
          by: Type.String({ minLength: 1, maxLength: 1_000 }),
          actor: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
        },
        { additionalProperties: false },
      ),
    ),
    /** Outbound channels, each with its templates and rules. */
    channels: Type.Unsafe<ChannelEntries>(
      Type.Object(
        Object.fromEntries(channels.map((one) => [one.name, Type.Optional(Type.Unsafe(withRules(one)))])),
        { additionalProperties: false },
      ),
    ),
    /** This type's overrides of `RETRY_DELAY_MS`, `RETRY_FACTOR` and `MAX_RETRIES`. */
    retry: Type.Optional(
      Type.Object(
        {
          delay_ms: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
          factor: Type.Optional(Type.Number({ minimum: 1, maximum: 10 })),
          max_retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
        },
        { additionalProperties: false },
      ),
    ),
    /** When a provider does not answer: send again (the default), or leave it as `uncertain`. */
    on_timeout: Type.Optional(Type.Union([Type.Literal("resend"), Type.Literal("give_up")])),
  },
  { additionalProperties: false },
);

export type NotificationType = Static<typeof NotificationTypeSchema>;

const Choice = [Type.Boolean(), Type.String({ enum: [...rhythms] })];
const choicesByChannel = [...channelNames(), "inbox", "*"].map((name) => [
  name,
  Type.Optional(Type.Union(Choice)),
]);

/** A user's choice for all channels, or one by channel; `*` stands for the others. */
export const Choices = Type.Unsafe<Chosen>(
  Type.Union([
    ...Choice,
    Type.Object(Object.fromEntries(choicesByChannel), { minProperties: 1, additionalProperties: false }),
  ]),
);

/** The reserved key `categories` of the file. */
export const CategoriesSchema = Type.Record(
  Type.String({ pattern: categoryKey }),
  Type.Object(
    {
      label: Type.Optional(
        Type.Unsafe<NonNullable<Category["label"]>>({
          anyOf: [
            { type: "string", maxLength: 200 },
            { type: "object", additionalProperties: { type: "string", maxLength: 200 } },
          ],
        }),
      ),
      default: Type.Optional(Choices),
      locked: Type.Optional(Type.Boolean()),
      digest: Type.Optional(
        Type.Unsafe<Record<string, DigestRule>>(
          Type.Object(
            Object.fromEntries(channels.map((one) => [one.name, Type.Optional(digestSchema(one))])),
            { additionalProperties: false },
          ),
        ),
      ),
    },
    { additionalProperties: false },
  ),
  { additionalProperties: false },
);

/** How many messages a day a user gets on a channel. */
export const BudgetSchema = Type.Object(
  {
    limit: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      description: "Messages a day. The last of them is the digest of the others.",
    }),
    at: Type.Optional(
      Type.String({ pattern: timeOfDay, description: "When that digest is sent, HH:MM; 18:00 by default." }),
    ),
  },
  { additionalProperties: false },
);

/** The reserved key `budgets` of the file: by channel. */
export const BudgetsSchema = Type.Unsafe<Record<string, Budget>>(
  Type.Object(Object.fromEntries(channelNames().map((name) => [name, Type.Optional(BudgetSchema)])), {
    additionalProperties: false,
  }),
);

/** `{"<key>": <type>, …}` */
export const NotificationTypesSchema = Type.Record(
  Type.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }),
  NotificationTypeSchema,
  {
    additionalProperties: false,
  },
);

/** The type of the queue dialect: a text for a channel that the caller chooses. */
export const directType = "direct";

/** The built-in types. Entries of `NOTIFICATION_TYPES_FILE` add to them or replace them by key. */
export const builtInTypes: Record<string, NotificationType> = {
  registration: { description: "A new account", inbox: false, channels: { email: {} } },
  new_message: { description: "A new message", inbox: true, channels: {} },
  new_post: { description: "A new post", inbox: true, channels: {} },
  new_login: { description: "A new sign-in", inbox: true, channels: { email: {} } },
  MESSAGE: { description: "A new message", inbox: true, channels: {} },
  SUBSCRIPTION_EXPIRY: { description: "A subscription that ends soon", inbox: true, channels: {} },
  PROFILE_SETUP: { description: "A complete profile", inbox: true, channels: {} },
  // Callers of the old queue expect a fixed wait between tries.
  [directType]: {
    description: "A text for one channel that the caller chooses",
    inbox: true,
    // Its callers are older systems, whose contract knows no preferences.
    mandatory: true,
    channels: {
      email: {
        subject: "{{ title | default: 'Notification' }}",
        text: "{{ body }}\n",
        html: '<p style="white-space:pre-line">{{ body }}</p>\n',
      },
      sms: {},
      webhook: {},
    },
    retry: { factor: 1 },
  },
};
