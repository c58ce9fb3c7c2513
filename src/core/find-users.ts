import { BelfryError } from "../model/errors.ts";
import { canonicalUser } from "../model/user-id.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import type { Page } from "./operate.ts";

export interface FoundUser {
  id: string;
  email?: string;
  phone?: string;
}

export interface FindPartners {
  /** Each in the order of ids, those behind `after`. */
  list(after: string | undefined, limit: number): Promise<FoundUser[]>;
  withId(text: string, after: string | undefined, limit: number): Promise<FoundUser[]>;
  /** Rejects with `database_unavailable` when it would take too long. */
  withAddress(field: "email" | "phone", text: string, limit: number): Promise<FoundUser[]>;
}

/** An older system's ids may be longer than ours. */
const placeForm = /^.{1,700}$/s;

/** Users by what an operator has in hand: an id, the beginning of one, an e-mail or a phone; or all of them. */
export function createFindUsers({ list, withId, withAddress }: FindPartners) {
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
      // What is found stands, though there may be more.
      if (data.length > 0 && error instanceof BelfryError) return [];
      throw error;
    });
    return { data: [...data, ...addressed.filter(({ id }) => data.every((one) => one.id !== id))] };
  };
}

export type FindUsers = ReturnType<typeof createFindUsers>;

/** Phones are kept in E.164, and written with whatever makes them readable. */
function addressIn(text: string): ["email" | "phone", string] | undefined {
  if (text.includes("@")) return ["email", text];
  const phone = text.replace(/[\s().-]/g, "");
  return /^\+\d{5,15}$/.test(phone) ? ["phone", phone] : undefined;
}
