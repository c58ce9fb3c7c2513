import { type Static, Type } from "typebox";
import { BelfryError } from "../model/errors.ts";
import { canonicalUser } from "../model/user-id.ts";
import type { Store } from "../store/index.ts";
import { decodeCursor, encodeCursor, type Page } from "./cursor.ts";

export const UserDto = Type.Object(
  { id: Type.String(), email: Type.Optional(Type.String()), phone: Type.Optional(Type.String()) },
  { title: "User" },
);
type FoundUser = Static<typeof UserDto>;

/** An older system's ids may be longer than ours. */
const placeForm = /^.{1,700}$/s;

/** Finds users by id, the beginning of an id, e-mail address or phone number. Without a text: all users. */
export function createFindUsers({ list, withId, withAddress }: Omit<Store["search"], "withNotification">) {
  return async (text: string | undefined, limit: number, cursor?: string): Promise<Page<FoundUser>> => {
    const question = { text };
    const after = cursor === undefined ? undefined : decodeCursor(cursor, question, placeForm, "?cursor");
    const found =
      text === undefined ? await list(after, limit + 1) : await withId(canonicalUser(text), after, limit + 1);
    const data = found.slice(0, limit);
    const last = data.at(-1);
    if (found.length > limit && last) return { data, next: encodeCursor(question, last.id) };
    const address = text !== undefined && after === undefined && addressIn(text);
    if (!address || data.length === limit) return { data };
    const [field, value] = address;
    const addressed = await withAddress(field, value, limit - data.length).catch((error) => {
      // Return what was found by id, even if the search by address failed.
      if (data.length > 0 && error instanceof BelfryError) return [];
      throw error;
    });
    return { data: [...data, ...addressed.filter(({ id }) => data.every((one) => one.id !== id))] };
  };
}

/** Phone numbers are stored in E.164, but people write them with blanks and brackets. */
function addressIn(text: string): ["email" | "phone", string] | undefined {
  if (text.includes("@")) return ["email", text];
  const phone = text.replace(/[\s().-]/g, "");
  return /^\+\d{5,15}$/.test(phone) ? ["phone", phone] : undefined;
}
