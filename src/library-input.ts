import { Ajv, type ValidateFunction } from "ajv";
import { type Static, type TProperties, Type } from "typebox";
import { publicError } from "./http/errors.ts";
import { Exactly, Hex24, ItemPath, notificationFields } from "./http/v1/schemas.ts";
import type { ListQuery } from "./library-types.ts";
import { BelfryError } from "./model/errors.ts";
import type { InboxQuery } from "./model/live.ts";
import { isMailbox } from "./model/mailbox.ts";
import type { NotifyCommand } from "./model/notification.ts";
import { canonicalUser } from "./model/user-id.ts";

const ajv = new Ajv({ allErrors: true, strict: false, useDefaults: true });
const { id: UserId, item: ItemId } = ItemPath.properties;

/**
 * Checks what the program hands over as the service checks what comes over HTTP. What it answers with is a copy, as JSON
 * would carry it: a `Date` is its text, what is `undefined` is absent. Throws `invalid_request`.
 */
export function createLibraryInput(types: string[]) {
  const compile = (fields: TProperties) => ajv.compile(Exactly(fields));
  const command = compile({
    user: UserId,
    ...notificationFields(types),
    targetId: Type.Optional(Hex24),
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
  const item = compile({ user: UserId, id: ItemId });
  const upTo = compile({ user: UserId, upTo: Type.Optional(Type.Integer({ minimum: 0 })) });

  return {
    command: (given: NotifyCommand) => ofUser<NotifyCommand>(command, given),
    query(given: ListQuery): InboxQuery {
      const { archived, ...rest } = ofUser<InboxQuery & { archived: unknown }>(query, given);
      return { ...rest, ...(typeof archived === "boolean" && { archived }) };
    },
    item(user: string, id: string) {
      const found = ofUser<{ user: string; id: string }>(item, { user, id });
      return { ...found, id: canonicalUser(found.id) };
    },
    upTo: (user: string, rev?: number) => ofUser<{ user: string; upTo?: number }>(upTo, { user, upTo: rev }),
  };
}

/** The same bounds as those of the service's variables. */
const Settings = Exactly({
  database: Type.Optional(Type.String({ pattern: '^[^/\\\\. "$\\0]{1,63}$' })),
  inboxLimit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
  newUser: Type.Object(
    {
      email: Type.Optional(Type.String({ maxLength: 254 })),
      phone: Type.Optional(Type.String({ pattern: "^\\+[1-9]\\d{1,14}$" })),
    },
    { additionalProperties: false, default: {} },
  ),
  retentionDays: Type.Integer({ minimum: 1, maximum: 3_650, default: 90 }),
});

export function readSettings(given: object): Static<typeof Settings> {
  const settings = checked<Static<typeof Settings>>(ajv.compile(Settings), given);
  if (settings.newUser.email !== undefined && !isMailbox(settings.newUser.email))
    throw refused("newUser.email must be one bare mailbox, such as alex@example.com.");
  return settings;
}

function checked<Form>(validate: ValidateFunction, given: unknown): Form {
  const copy = asJson(given);
  if (validate(copy)) return copy as Form;
  throw publicError(Object.assign(new Error(), { validation: validate.errors, validationContext: "body" }));
}

function ofUser<Form extends { user: string }>(validate: ValidateFunction, given: unknown): Form {
  const form = checked<Form>(validate, given);
  return { ...form, user: canonicalUser(form.user) };
}

function asJson(given: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(given, refuseWhatChanges));
  } catch (error) {
    throw error instanceof BelfryError ? error : refused(`It is not JSON: ${(error as Error).message}`);
  }
}

/** What JSON would carry as something else, or what the service refuses as a name. */
function refuseWhatChanges(name: string, value: unknown): unknown {
  if (name === "__proto__")
    throw refused("The name __proto__ can change a JavaScript program's objects; rename it.");
  if (typeof value === "number" && !Number.isFinite(value))
    throw refused(`${name} is a number that JSON does not have.`);
  return value;
}

const refused = (says: string) => new BelfryError("invalid_request", says);
