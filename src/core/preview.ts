import { type Static, Type } from "typebox";
import { channelNames, channelOf, channels } from "../channels/index.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel, NotifyCommand } from "../model/notification.ts";
import { Count } from "../model/schema.ts";
import { type TypeRegistry, templatesOf } from "./notification-types.ts";
import { createPlanner } from "./plan.ts";
import { rulesInWords } from "./rules-in-words.ts";
import type { TemplateUser } from "./templates.ts";
import { partsOf } from "./type-rules.ts";

const Email = Type.Object({ subject: Type.String(), text: Type.String(), html: Type.String() });

/** A type for operators, with the defaults filled in. */
export const TypeDto = Type.Object(
  {
    key: Type.String(),
    description: Type.Optional(Type.String()),
    inbox: Type.Boolean({ description: "Whether the inbox gets an item." }),
    channels: Type.Array(Type.String({ enum: channelNames() })),
    templates: Type.Unsafe<Record<Channel, Record<string, string>>>(
      Type.Object(
        { email: Type.Optional(Email), sms: Type.Optional(Type.Object({ text: Type.String() })) },
        { description: "Liquid templates of the type's channels. Default templates fill the gaps." },
      ),
    ),
    category: Type.Optional(Type.String()),
    mandatory: Type.Boolean({ description: "The user cannot turn it off." }),
    rules: Type.Unsafe<Record<Channel, string>>(
      Type.Object(
        {},
        {
          additionalProperties: { type: "string" },
          description: "By channel, when it sends: a readable line.",
        },
      ),
    ),
    locales: Type.Array(Type.String(), {
      description: "The languages that its templates are translated into.",
    }),
    retry: Type.Object({ delay_ms: Type.Number(), factor: Type.Number(), max_retries: Type.Integer() }),
    on_timeout: Type.String({
      enum: ["resend", "give_up"],
      description: "When a provider does not answer: send again, or give up.",
    }),
  },
  { title: "NotificationType" },
);

/** A message for operators, by channel. */
export const PreviewDto = Type.Object(
  {
    email: Type.Optional(Email),
    sms: Type.Optional(
      Type.Object({
        text: Type.String(),
        segments: Count("SMS segments. Texts of more than 1,600 characters are not sent."),
      }),
    ),
  },
  { title: "Preview" },
);

export function describeTypes({ types, policy, languagesOf }: TypeRegistry): Array<Static<typeof TypeDto>> {
  return [...types].map(([key, { description, inbox, category, mandatory = false, channels: own }]) => {
    const used = channels.filter(({ name }) => own[name] !== undefined);
    const templates = used.map(
      (one) => [one.name, templatesOf(one, partsOf(own[one.name] ?? {}).settings)] as const,
    );
    const { delayMs, factor, maxRetries, resendUnknown } = policy(key);
    return {
      key,
      ...(description !== undefined && { description }),
      inbox,
      channels: used.map(({ name }) => name),
      templates: Object.fromEntries(templates.filter(([, parts]) => Object.keys(parts).length > 0)),
      ...(category !== undefined && { category }),
      mandatory,
      rules: Object.fromEntries(
        used.map(({ name }) => [name, rulesInWords(name, partsOf(own[name] ?? {}).rules)]),
      ),
      locales: languagesOf(key),
      retry: { delay_ms: delayMs, factor, max_retries: maxRetries },
      on_timeout: resendUnknown ? "resend" : "give_up",
    };
  });
}

/** Renders a notification's messages on its type's channels, as for this user. Stores nothing. */
export function createPreview(registry: TypeRegistry, now: () => number) {
  // Makes the same checks as a real notification.
  const plan = createPlanner({ newId: () => "", now }, registry);
  return (command: Omit<NotifyCommand, "user">, reader?: TemplateUser): Record<Channel, object> => {
    if (!registry.get(command.type))
      throw new BelfryError("not_found", `There is no notification type ${JSON.stringify(command.type)}.`);
    const shown: Record<Channel, object> = {};
    const { id: notification, user, deliveries } = plan({ ...command, user: "preview" });
    for (const { channel, content } of deliveries) {
      const rules = channelOf(channel);
      // A channel without templates looks the same for every type.
      if (Object.keys(rules.templates).length === 0) continue;
      try {
        const rendered = registry.render(channel, content, reader);
        shown[channel] = rules.shown(rules.message(rendered, { notification, user, content }, "", {}));
      } catch (error) {
        const detail = `template cannot be rendered with this data: ${(error as Error).message}`;
        throw new BelfryError("invalid_request", `The ${channel} ${detail}`, [
          { pointer: `/${channel}`, detail },
        ]);
      }
    }
    return shown;
  };
}
