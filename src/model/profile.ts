/** A user's data beside the inbox. All of it lies in the user's document, under these names. */
export interface Profile {
  /** One mailbox. */
  email?: string;
  /** E.164. */
  phone?: string;
  /** BCP 47, in its canonical form. */
  locale?: string;
  /** IANA's name. */
  timeZone?: string;
  webhook?: WrittenWebhook & {
    /** The first failure, while no attempt has arrived since. */
    failingSince?: Date;
    /** Nothing is sent there any more. `failing`: every attempt failed for days; `address`: it answered 410. */
    disabled?: { since: Date; reason: string };
  };
}

/** A webhook as it is stored. */
export interface WrittenWebhook {
  url: string;
  /** `whsec_…`; two during a rotation. */
  secrets: string[];
  /** Sent with each call, such as `Authorization`. */
  headers?: Record<string, string>;
}

export const profileFields = ["email", "phone", "locale", "timeZone", "webhook"] as const satisfies Array<
  keyof Profile
>;

/** Null: what is there goes. Absent: it stays. */
export type ProfileChange = {
  [Field in keyof Profile]?: (Field extends "webhook" ? WrittenWebhook : NonNullable<Profile[Field]>) | null;
};
