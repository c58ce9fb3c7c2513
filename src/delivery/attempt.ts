import {
  type AttemptOutcome,
  type EmailMessage,
  type EmailProvider,
  type HeldDelivery,
  SendError,
} from "../model/delivery.ts";

/** Where a user can be reached; absent fields are unknown. */
export interface Profile {
  email?: string;
}

/** A rendered e-mail without its envelope. Throws when the type is gone or its template fails on this content. */
export type RenderEmail = (content: HeldDelivery["content"]) => {
  subject: string;
  text: string;
  html?: string;
};

/** One try of one delivery. Never throws: whatever happens is an outcome. */
export async function attemptEmail(
  delivery: HeldDelivery,
  readProfile: () => Promise<Profile>,
  render: RenderEmail,
  provider: EmailProvider,
): Promise<AttemptOutcome> {
  let profile: Profile;
  try {
    profile = await readProfile();
  } catch (error) {
    return {
      kind: "retry",
      code: "PROFILE",
      text: `the user's profile could not be read: ${(error as Error).message}`,
    };
  }
  if (!profile.email) return { kind: "skip", reason: "no_address", text: "the user has no e-mail address" };
  let message: EmailMessage;
  try {
    message = { ...render(delivery.content), id: delivery.id, user: delivery.user, to: profile.email };
  } catch (error) {
    return { kind: "no", reason: "template", code: "TEMPLATE", text: (error as Error).message };
  }
  try {
    return { kind: "sent", ...(await provider.send(message)) };
  } catch (error) {
    if (error instanceof SendError) return error.outcome;
    // A defect of ours, not an answer: whether it was sent is not known.
    return { kind: "unknown", code: "DEFECT", text: error instanceof Error ? error.message : String(error) };
  }
}
