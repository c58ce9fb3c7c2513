import type { Delivery } from "../../src/client/wire.ts";
import type { Attempt, Suppression } from "./wire.ts";

/** The service's words as sentences. The compiler checks that none is missing; those of a newer service are shown as they are. */

/** No more attempts follow unless somebody asks for them; `sent` may still become `delivered`. */
export const isOver = (state: string): boolean => !["pending", "sending", "held"].includes(state);
export const isRetryable = (state: string): boolean =>
  ["failed", "uncertain", "skipped", "canceled"].includes(state);

export const stateText: Record<Delivery["status"], string> = {
  pending: "Waiting for its first attempt, or for the next one.",
  sending: "A worker is sending it.",
  sent: "The provider has accepted it.",
  delivered: "The provider reports that it has arrived.",
  failed: "It did not arrive, and is not retried.",
  skipped: "It was not wanted, not needed, or had no address to go to.",
  canceled: "It was canceled before it was sent.",
  uncertain: "It may have been sent. This type is not sent twice.",
  held: "It waits in an open digest.",
  digested: "It is in the message of a digest.",
  recalled: "Its sender took it back before it was sent.",
};
export const states = Object.keys(stateText);

export const reasonText: Record<NonNullable<Delivery["reason"]>, string> = {
  address: "The provider says that the address does not exist or accepts no messages.",
  message: "The provider rejected the message itself.",
  policy: "A policy forbids it: the provider's, or one of this server.",
  opt_out: "The recipient has opted out.",
  expired: "It expired before it could be sent.",
  exhausted: "All retries are used up. Send it again to get new ones.",
  template: "The type's template cannot be rendered with this content: see Types.",
  no_address: "The user has no address on this channel: add one under Users.",
  no_provider: "No provider is configured for this channel.",
  suppressed: "The address is suppressed: it bounced, does not exist, or its owner opted out. See Users.",
  bounced: "The provider accepted it, and it bounced.",
  undelivered: "The provider accepted it, and could not deliver it.",
  unanswered: "The provider did not answer: it may have been sent.",
  poison: "Every worker that tried to send it crashed.",
  erased: "Its user was erased.",
  preference: "The user has turned it off, or it is off by default.",
  muted: "The user has muted notifications.",
  condition: "A rule of its type said that it was not needed.",
  throttled: "Its type sends only so many in this time.",
  empty: "None of the notifications in this digest was left to send.",
};
export const reasons = Object.keys(reasonText);

/** The outcome of one attempt. */
export const outcomeText: Record<Attempt["outcome"], string> = {
  sent: "accepted",
  retry: "temporary failure",
  unknown: "no answer",
  rejected: "rejected",
  misconfigured: "our configuration was refused",
};

export const suppressionText: Record<Suppression["reason"], string> = {
  address: "does not exist, or accepts no messages",
  opt_out: "its owner has opted out",
  bounced: "a message to it bounced",
  failing: "every attempt failed for 5 days",
};

export const healthText: Record<string, string> = {
  ok: "OK",
  open: "Failing",
  paused: "Refuses our configuration",
};

const channelNames: Record<Delivery["channel"], string> = { email: "e-mail", sms: "SMS", webhook: "webhook" };
export const channels = Object.keys(channelNames);
export const channelName = (channel: string): string =>
  channelNames[channel as Delivery["channel"]] ?? channel;
