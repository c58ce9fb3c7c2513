/** The service's words in sentences. What is not known here is shown as it is. */

export const states = [
  "pending",
  "sending",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "canceled",
  "uncertain",
] as const;

export const channels = ["email", "sms", "webhook"] as const;
/** Nothing happens to one of these any more unless somebody asks for it; `sent` may still become `delivered`. */
export const isOver = (state: string): boolean => state !== "pending" && state !== "sending";
export const isRetryable = (state: string): boolean =>
  ["failed", "uncertain", "skipped", "canceled"].includes(state);

export const stateText: Record<string, string> = {
  pending: "It waits for its turn, or for its next try.",
  sending: "A worker has it in hand.",
  sent: "A provider has taken it.",
  delivered: "The provider says that it has arrived.",
  failed: "It has ended without arriving.",
  skipped: "There was nothing to send, or nobody to send it to.",
  canceled: "It was taken back before it was sent.",
  uncertain: "It may have been sent, and this type would rather not be sent twice.",
};

export const reasonText: Record<string, string> = {
  address: "The provider says that the address takes nothing.",
  message: "The message itself was refused.",
  policy: "A rule does not allow it: the provider's, or one of this server's own.",
  opt_out: "The recipient has opted out.",
  expired: "Its time was over before it could be handed over.",
  exhausted: "All its tries are used up. A redrive gives it new ones.",
  template: "The type's template fails on this content: see Types.",
  no_address: "The user has no address on this channel: give one under Users.",
  no_provider: "No provider is configured for this channel.",
  suppressed: "The address takes nothing more: it bounced, is wrong, or its owner opted out. See Users.",
  bounced: "The provider took it, and it came back.",
  undelivered: "The provider took it, and could not deliver it.",
  unanswered: "The provider did not answer: it may have been sent.",
  poison: "Each worker that was to send it ended.",
  erased: "Its user was erased.",
};
export const reasons = Object.keys(reasonText);

/** What one provider's answer to one attempt means. */
export const outcomeText: Record<string, string> = {
  sent: "taken",
  retry: "not now",
  unknown: "no answer",
  rejected: "refused for good",
  misconfigured: "our configuration refused",
};

export const suppressionText: Record<string, string> = {
  address: "it does not exist, or takes nothing",
  opt_out: "its owner has opted out",
  bounced: "mail to it came back",
};

export const healthText: Record<string, string> = {
  ok: "asked as usual",
  open: "ailing: it rests, and is probed",
  paused: "it refuses our configuration: it rests",
};

export const channelName = (channel: string): string =>
  ({ email: "e-mail", sms: "SMS", webhook: "webhook", inbox: "inbox" })[channel] ?? channel;
