import { channelOf, channels } from "../channels/index.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel, NotifyCommand } from "../model/notification.ts";
import { type TypeRegistry, templatesOf } from "./notification-types.ts";
import { createPlanner } from "./notify.ts";

/** A type for operators, with the defaults filled in. */
export interface TypeDescription {
  key: string;
  description?: string;
  inbox: boolean;
  channels: Channel[];
  /** Templates of the type's own channels. Webhooks have none. */
  templates: Record<Channel, Record<string, string>>;
  retry: { delay_ms: number; factor: number; max_retries: number };
  on_timeout: "resend" | "give_up";
}

/** A preview of each channel's message. */
type Preview = Record<Channel, object>;

export function describeTypes({ types, policy }: TypeRegistry): TypeDescription[] {
  return [...types].map(([key, { description, inbox, channels: own }]) => {
    const used = channels.filter(({ name }) => own[name] !== undefined);
    const templates = used.map((one) => [one.name, templatesOf(one, own[one.name] ?? {})] as const);
    const { delayMs, factor, maxRetries, resendUnknown } = policy(key);
    return {
      key,
      ...(description !== undefined && { description }),
      inbox,
      channels: used.map(({ name }) => name),
      templates: Object.fromEntries(templates.filter(([, parts]) => Object.keys(parts).length > 0)),
      retry: { delay_ms: delayMs, factor, max_retries: maxRetries },
      on_timeout: resendUnknown ? "resend" : "give_up",
    };
  });
}

/** Renders a notification's messages on its type's channels. Stores nothing. */
export function createPreview(registry: TypeRegistry, now: () => number) {
  // Makes the same checks as a real notification.
  const plan = createPlanner({ newId: () => "", now }, registry);
  return (command: Omit<NotifyCommand, "user">): Preview => {
    if (!registry.get(command.type))
      throw new BelfryError("not_found", `There is no notification type ${JSON.stringify(command.type)}.`);
    const shown: Preview = {};
    const { id: notification, user, deliveries } = plan({ ...command, user: "preview" });
    for (const { channel, content } of deliveries) {
      const rules = channelOf(channel);
      // A channel without templates looks the same for every type.
      if (Object.keys(rules.templates).length === 0) continue;
      try {
        const rendered = registry.render(channel, content);
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
