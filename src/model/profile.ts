/** What Belfry knows of a user beside the inbox. All of it lies in the user's document, under these names. */
export interface Profile {
  /** One mailbox. */
  email?: string;
  /** E.164. */
  phone?: string;
  /** BCP 47, in its canonical form. */
  locale?: string;
  /** IANA's name. */
  timeZone?: string;
  /** `whsec_…`; two during a rotation. */
  webhook?: { url: string; secrets: string[] };
}

export const profileFields = ["email", "phone", "locale", "timeZone", "webhook"] as const satisfies Array<
  keyof Profile
>;

/** Null: what is there goes. Absent: it stays. */
export type ProfileChange = { [Field in keyof Profile]?: NonNullable<Profile[Field]> | null };
