import { newWebhookSecret, webhookKey } from "../channels/index.ts";
import { BelfryError, type ErrorDetail, invalidRequest } from "../model/errors.ts";
import { canonicalLocale, localeForm } from "../model/locale.ts";
import { isMailbox } from "../model/mailbox.ts";
import { phoneForm, phoneNumber } from "../model/phone.ts";
import { type Profile, type ProfileChange, profileFields, type WrittenWebhook } from "../model/profile.ts";
import { knownTimeZone } from "../model/time-zone.ts";
import { webhookHeaderProblems } from "../model/webhook-headers.ts";
import type { Store } from "../store/index.ts";
import type { TemplateUser } from "./templates.ts";

/** A profile as written in a request body. */
export interface WrittenProfile {
  email?: string | null;
  phone?: string | null;
  locale?: string | null;
  time_zone?: string | null;
  webhook?: { url: string; secrets?: string[]; headers?: Record<string, string> } | null;
}

/** The problem with a webhook's URL, as the rest of a sentence. Undefined for a URL that may be called. */
type UrlProblem = (url: string) => string | undefined;

/** `webhookSecret`: generated for a webhook without secrets, and returned only this once. */
type Written = { profile: Profile; created: boolean; webhookSecret?: string };

/**
 * Reads and writes profiles. `changed` is called with the user after each write. A suppression names the address that it is about, so a new address is tried. Storing a
 * webhook again enables it again.
 */
export function createProfiles(
  { users, suppressions }: Pick<Store, "users" | "suppressions">,
  urlProblem: UrlProblem,
  changed: (user: string) => void = () => {},
) {
  const none: ProfileChange = Object.fromEntries(profileFields.map((field) => [field, null]));
  return {
    /** Rejects with `not_found`. */
    async show(user: string): Promise<Profile> {
      const found = await users.read(user);
      if (!found) throw new BelfryError("not_found", "There is no such user.");
      return found;
    },
    /** Removes fields that are not written. Rejects with `invalid_request`, which names every problem. */
    replace: (user: string, written: WrittenProfile) => store(user, written, none),
    /** Keeps fields that are not written, and removes those that are null. Rejects in the same way. */
    merge: (user: string, written: WrittenProfile) => store(user, written, {}),
  };

  async function store(user: string, written: WrittenProfile, base: ProfileChange): Promise<Written> {
    const made = written.webhook && !written.webhook.secrets ? newWebhookSecret() : undefined;
    const change = { ...base, ...understood(written, urlProblem, made) };
    if (change.webhook) await suppressions.remove(user, "webhook");
    const stored = await users.write(user, change).finally(() => changed(user));
    return { ...stored, ...(made !== undefined && { webhookSecret: made }) };
  }
}

export type Profiles = ReturnType<typeof createProfiles>;

/** Per field: its name in the body, its name in the profile, its parser, and what it must be. */
const texts = [
  ["email", "email", mailbox, "an address without a name, such as alex@example.com"],
  ["phone", "phone", phoneNumber, phoneForm],
  ["locale", "locale", canonicalLocale, localeForm],
  ["time_zone", "timeZone", knownTimeZone, "an IANA time zone, such as Europe/Berlin"],
] as const;

function understood(
  written: WrittenProfile,
  urlProblem: UrlProblem,
  madeSecret: string | undefined,
): ProfileChange {
  const problems: ErrorDetail[] = [];
  const change: ProfileChange = {};
  for (const [name, field, read, form] of texts) {
    const text = written[name];
    if (text === undefined) continue;
    const value = text === null ? null : read(text);
    if (value === undefined) problems.push({ pointer: `/${name}`, detail: `must be ${form}` });
    else change[field] = value;
  }
  const { webhook: given } = written;
  const webhook: ProfileChange["webhook"] = given && {
    ...given,
    secrets: given.secrets ?? (madeSecret === undefined ? [] : [madeSecret]),
  };
  if (webhook) problems.push(...webhookProblems(webhook, urlProblem));
  if (problems.length > 0) throw invalidRequest(problems);
  return { ...change, ...(webhook !== undefined && { webhook }) };
}

/** A reader of a preview. Throws `invalid_request`. */
export const readerOf = ({ locale, time_zone }: Record<"locale" | "time_zone", string | undefined>) =>
  understood({ locale, time_zone } as WrittenProfile, () => undefined, undefined) as TemplateUser;

function mailbox(text: string): string | undefined {
  return isMailbox(text) && text.isWellFormed() ? text : undefined;
}

function webhookProblems(
  { url, secrets, headers = {} }: WrittenWebhook,
  urlProblem: UrlProblem,
): ErrorDetail[] {
  const problems: ErrorDetail[] = [];
  const detail = urlProblem(url);
  if (detail !== undefined) problems.push({ pointer: "/webhook/url", detail });
  for (const [index, secret] of secrets.entries())
    if (!webhookKey(secret))
      problems.push({
        pointer: `/webhook/secrets/${index}`,
        detail: "must be whsec_ and the base64 of 24 to 64 bytes",
      });
  return [...problems, ...webhookHeaderProblems(headers, "/webhook/headers")];
}
