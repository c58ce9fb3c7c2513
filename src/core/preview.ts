import { BelfryError } from "../model/errors.ts";
import { type Channel, channels, type NotifyCommand } from "../model/notification.ts";
import { smsSegments } from "../model/sms.ts";
import { type Catalog, templatesOf } from "./catalog.ts";
import { createPlanner } from "./notify.ts";

/** A type for operators, with the defaults filled in. */
export interface TypeDescription {
  key: string;
  description?: string;
  inbox: boolean;
  channels: Channel[];
  /** Templates of the type's own channels. Webhooks have none. */
  templates: { email?: { subject: string; text: string; html: string }; sms?: { text: string } };
  retry: { delay_ms: number; factor: number; max_retries: number };
  on_timeout: "resend" | "give_up";
}

export interface Rendered {
  email?: { subject: string; text: string; html: string };
  sms?: { text: string; segments: number };
}

export function describeTypes({ types, policy }: Catalog): TypeDescription[] {
  return [...types].map(([key, { description, inbox, channels: own }]) => {
    const { subject, text, html, sms } = templatesOf(own);
    const { delayMs, factor, maxRetries, resendUnknown } = policy(key);
    return {
      key,
      ...(description !== undefined && { description }),
      inbox,
      channels: channels.filter((channel) => own[channel] !== undefined),
      templates: {
        ...(own.email && { email: { subject, text, html } }),
        ...(own.sms && { sms: { text: sms } }),
      },
      retry: { delay_ms: delayMs, factor, max_retries: maxRetries },
      on_timeout: resendUnknown ? "resend" : "give_up",
    };
  });
}

/** Renders a notification's messages on its type's channels. Stores nothing. */
export function createPreview(catalog: Catalog, now: () => number) {
  // Has the same checks as a real notification.
  const plan = createPlanner({ newId: () => "", now }, catalog);
  return (command: Omit<NotifyCommand, "user">): Rendered => {
    if (!catalog.get(command.type))
      throw new BelfryError("not_found", `There is no notification type ${JSON.stringify(command.type)}.`);
    const rendered: Rendered = {};
    for (const { channel, content } of plan({ ...command, user: "preview" }).deliveries) {
      try {
        if (channel === "email") rendered.email = catalog.render.email(content);
        if (channel !== "sms") continue;
        const text = catalog.render.sms(content);
        rendered.sms = { text, segments: smsSegments(text) };
      } catch (error) {
        const detail = `template cannot be rendered with this data: ${(error as Error).message}`;
        throw new BelfryError("invalid_request", `The ${channel} ${detail}`, [
          { pointer: `/${channel}`, detail },
        ]);
      }
    }
    return rendered;
  };
}
