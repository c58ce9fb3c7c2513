import { AssertionError } from "node:assert";
import type { Message } from "./model/channel.ts";
import type { Settlement } from "./model/delivery.ts";
import type { Channel } from "./model/notification.ts";
import { iso } from "./model/schema.ts";
import { canonicalUser } from "./model/user-id.ts";

/** A message that would have been sent. */
export interface SentMessage {
  channel: Channel;
  user: string;
  /** The notification's type and id. */
  type: string;
  notification: string;
  /** ISO 8601. */
  at: string;
  /** The address, the phone number or the URL. */
  to: string;
  subject?: string;
  text?: string;
  html?: string;
  /** The body of a webhook's call. */
  payload?: object;
}

/** The messages of a test, and the assertions about them. */
export function createTestMessages(now: () => number) {
  let messages: SentMessage[] = [];
  /** Why deliveries ended unsent, in words. */
  let unsent: string[] = [];
  /** By delivery, until that is settled. */
  const taken = new Map<string, Array<Pick<SentMessage, "at" | "to">>>();

  const isFor = (user: string | undefined) => (one: SentMessage) =>
    user === undefined || one.user === canonicalUser(user);

  /** The stack begins at `caller`'s caller: the line of the test. */
  function fail(sentence: string, caller: (...given: never[]) => unknown): never {
    const sent = messages.map(
      ({ at, channel, type, user, to, subject, text }) =>
        `${at} ${channel} of ${type} to ${user} <${to}>: ${JSON.stringify(subject ?? text ?? "")}`,
    );
    const list = (title: string, lines: string[]) =>
      lines.length > 0 ? [`${title}:`, ...lines.map((line) => `  ${line}`)] : [];
    throw new AssertionError({
      message: [
        `${sentence} The time is ${iso(now())}.`,
        ...list("Sent", sent),
        ...list("Not sent", unsent),
      ].join("\n"),
      stackStartFn: caller,
    });
  }

  function sentTo(user: string, type?: string): SentMessage[] {
    const found = messages.filter(isFor(user)).filter((one) => type === undefined || one.type === type);
    const what = type === undefined ? "Nothing" : `No message of type ${type}`;
    return found.length > 0 ? found : fail(`${what} was sent to ${user}.`, sentTo);
  }

  function nothingSent(user?: string): void {
    const { length } = messages.filter(isFor(user));
    const count = length === 1 ? "1 message was" : `${length} messages were`;
    if (length > 0) fail(`${count} sent${user === undefined ? "" : ` to ${user}`}.`, nothingSent);
  }

  return {
    take(message: Message): void {
      const { id, user: _user, target: _target, ...content } = message;
      const {
        url,
        secrets: _secrets,
        ...shown
      } = content as { to?: string; url?: string; secrets?: unknown };
      const one = { at: iso(now()), to: shown.to ?? url ?? "", ...shown };
      taken.set(id, [...(taken.get(id) ?? []), one]);
    },
    onSettled({ delivery, state, reason, detail, attempts }: Settlement): void {
      const { id, channel, user, notification, content } = delivery;
      const common = { channel, user, type: content.key, notification };
      messages.push(...(taken.get(id) ?? []).map((one) => ({ ...common, ...one })));
      taken.delete(id);
      if (state === "pending" || state === "sent") return;
      const why = [reason, detail ?? attempts.at(-1)?.text].filter((one) => one !== undefined).join(": ");
      unsent.push(`${iso(now())} ${channel} of ${content.key} to ${user}: ${state}, ${why}`);
    },
    captured: (): SentMessage[] => [...messages],
    sentTo,
    nothingSent,
    clear(): void {
      messages = [];
      unsent = [];
    },
  };
}
