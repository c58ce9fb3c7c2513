import { type Static, type TProperties, Type } from "typebox";
import { AudienceBody } from "./core/audience.ts";
import type { BroadcastRequest } from "./core/broadcasts.ts";
import { PreferencesBody, type PreferencesPatch, PreferencesPatchBody } from "./core/preference-schemas.ts";
import type { RecallRequest as WrittenRecall } from "./core/recall.ts";
import type { WrittenSendTime } from "./core/send-time.ts";
import { databaseName } from "./http/patterns.ts";
import { CallerKey, Exactly, Hex24, ItemPath, notificationFields } from "./http/v1/schemas.ts";
import { bodyCheck, type Check } from "./http/validation.ts";
import type { BroadcastCommand, ListQuery, RecallRequest, SendTime } from "./library-types.ts";
import { BelfryError } from "./model/errors.ts";
import type { InboxQuery } from "./model/live.ts";
import { canonicalLocale, localeForm } from "./model/locale.ts";
import { isMailbox } from "./model/mailbox.ts";
import type { NotifyCommand } from "./model/notification.ts";
import { phoneForm, phoneNumber } from "./model/phone.ts";
import type { Preferences } from "./model/preferences.ts";
import { knownTimeZone } from "./model/time-zone.ts";
import { canonicalUser } from "./model/user-id.ts";

const { id: UserId, item: ItemId } = ItemPath.properties;

/**
 * Checks a program's arguments as the service checks a request. Returns a copy as JSON would carry it: a `Date` becomes
 * text, `undefined` and an optional `null` are absent. Throws `invalid_request`.
 */
export function createLibraryInput(types: string[]) {
  const compile = (fields: TProperties) => bodyCheck(Exactly(fields));
  const command = compile({
    user: UserId,
    ...notificationFields(types),
    targetId: Type.Optional(Hex24),
  });
  const sendTime = compile({
    sendAt: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Integer({ minimum: 0 })])),
    delay: Type.Optional(Type.String({ maxLength: 16 })),
  });
  const jobId = compile({ id: Hex24 });
  const { replace: _, ...content } = notificationFields(types);
  const broadcast = compile({
    notification: Exactly({ ...content, targetId: Type.Optional(Hex24) }),
    to: AudienceBody,
    actor: Type.Optional(UserId),
    key: Type.Optional(ItemId),
  });
  const query = compile({
    user: UserId,
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 20 }),
    skip: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
    after: Type.Optional(Exactly({ created_rev: Type.Integer({ minimum: 0 }), id: ItemId })),
    unread: Type.Optional(Type.Boolean()),
    archived: Type.Unsafe({ enum: [true, false, "any"], default: false }),
    type: Type.Optional(Type.String()),
    targetId: Type.Optional(Hex24),
  });
  const recall = compile({
    id: Type.Optional(Hex24),
    key: Type.Optional(CallerKey),
    user: Type.Optional(UserId),
    users: Type.Optional(Type.Array(UserId, { minItems: 1, maxItems: 1_000 })),
  });
  const item = compile({ user: UserId, id: ItemId });
  const userOnly = compile({ user: UserId });
  const merge = compile({ user: UserId, preferences: PreferencesPatchBody });
  const replace = compile({ user: UserId, preferences: PreferencesBody });
  const upTo = compile({ user: UserId, upTo: Type.Optional(Type.Integer({ minimum: 0 })) });

  return {
    command: (given: NotifyCommand) => ofUser<NotifyCommand>(command, given),
    sendTime(given: SendTime): WrittenSendTime {
      const { sendAt, delay } = checked<{ sendAt?: string | number; delay?: string }>(sendTime, given);
      return { send_at: sendAt, delay };
    },
    job: (id: string) => checked<{ id: string }>(jobId, { id }).id.toLowerCase(),
    broadcast(given: BroadcastCommand): BroadcastRequest {
      const { actor, ...rest } = checked<BroadcastRequest>(broadcast, given);
      return { ...rest, ...(actor !== undefined && { actor: canonicalUser(actor) }) };
    },
    query(given: ListQuery): InboxQuery {
      const { archived, ...rest } = ofUser<InboxQuery & { archived: unknown }>(query, given);
      return { ...rest, ...(typeof archived === "boolean" && { archived }) };
    },
    item(user: string, id: string) {
      const found = ofUser<{ user: string; id: string }>(item, { user, id });
      return { ...found, id: canonicalUser(found.id) };
    },
    recall: (given: RecallRequest) => checked<WrittenRecall>(recall, given),
    user: (user: string) => ofUser<{ user: string }>(userOnly, { user }).user,
    merge: (user: string, preferences: PreferencesPatch) =>
      ofUser<{ user: string; preferences: PreferencesPatch }>(merge, { user, preferences }),
    replace: (user: string, preferences: Preferences) =>
      ofUser<{ user: string; preferences: Preferences }>(replace, { user, preferences }),
    upTo: (user: string, rev?: number) => ofUser<{ user: string; upTo?: number }>(upTo, { user, upTo: rev }),
  };
}

/** The bounds are those of the service's variables. */
const Settings = Exactly({
  database: Type.Optional(Type.String({ pattern: databaseName })),
  inboxLimit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
  newUser: Type.Object(
    {
      email: Type.Optional(Type.String({ maxLength: 254 })),
      phone: Type.Optional(Type.String({ maxLength: 40 })),
    },
    { additionalProperties: false, default: {} },
  ),
  defaultLocale: Type.String({ default: "en" }),
  retentionDays: Type.Integer({ minimum: 1, maximum: 3_650, default: 90 }),
  timeZone: Type.String({ default: "UTC" }),
});

export function readSettings(given: object): Static<typeof Settings> {
  const settings = checked<Static<typeof Settings>>(bodyCheck(Settings), given);
  if (canonicalLocale(settings.defaultLocale) === undefined)
    throw refused(`\`defaultLocale\` must be ${localeForm}.`);
  if (settings.newUser.email !== undefined && !isMailbox(settings.newUser.email))
    throw refused("`newUser.email` must be an address without a name, such as alex@example.com.");
  if (knownTimeZone(settings.timeZone) === undefined)
    throw refused("`timeZone` must be an IANA time zone, such as Europe/Berlin.");
  const { phone } = settings.newUser;
  const number = phone === undefined ? undefined : phoneNumber(phone);
  if (phone !== undefined && number === undefined)
    throw new BelfryError("invalid_request", `\`newUser.phone\` must be ${phoneForm}.`, [
      { pointer: "/newUser/phone", detail: `must be ${phoneForm}` },
    ]);
  return { ...settings, newUser: { ...settings.newUser, ...(number !== undefined && { phone: number }) } };
}

export function checked<Form>(check: Check, given: unknown): Form {
  const copy = asJson(given);
  const error = check(copy);
  if (error) throw error;
  return copy as Form;
}

function ofUser<Form extends { user: string }>(check: Check, given: unknown): Form {
  const form = checked<Form>(check, given);
  return { ...form, user: canonicalUser(form.user) };
}

export function asJson(given: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(given, refuseWhatChanges));
  } catch (error) {
    if (error instanceof BelfryError) throw error;
    throw refused(`This cannot be written as JSON: ${(error as Error).message}`);
  }
}

/** Refuses what JSON would carry as something else, and names that the service refuses. */
function refuseWhatChanges(name: string, value: unknown): unknown {
  if (name === "__proto__")
    throw refused("The name __proto__ can change a JavaScript program's objects; rename it.");
  if (typeof value === "number" && !Number.isFinite(value))
    throw refused(`\`${name}\` is ${value}, which JSON does not have.`);
  if (typeof value === "bigint")
    throw refused(`\`${name}\` is a BigInt, which JSON does not have; give it as a string.`);
  return value;
}

const refused = (message: string) => new BelfryError("invalid_request", message);
