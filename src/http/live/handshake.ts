import { fromNothing, fromNow } from "../../model/live.ts";
import { canonicalUser, isUserId } from "../../model/user-id.ts";
import { invalidField } from "../errors.ts";

/** Reads and checks what a client sends when it connects. Each throws `invalid_request` that points at `pointer`. */

/** The user id. The queue dialect's ids are numbers. */
export function readUser(given: unknown, pointer: string): string {
  const user = Number.isSafeInteger(given) ? String(given) : given;
  if (typeof user !== "string" || !isUserId(user))
    throw invalidField(
      pointer,
      "must be a user's id: 1 to 128 characters, at least one of them visible, and not . or ..",
    );
  return canonicalUser(user);
}

/** The last `rev` that the device knows. 0: everything. Absent: only later changes. */
export function readRev(given: unknown, pointer: string): number {
  if (given === undefined || given === null) return fromNow;
  const rev = typeof given === "string" && /^\d{1,16}$/.test(given) ? Number(given) : given;
  if (!Number.isSafeInteger(rev) || (rev as number) < 0 || rev === fromNow)
    throw invalidField(pointer, "must be the `rev` of an earlier message, an integer from 0");
  return rev === 0 ? fromNothing : (rev as number);
}

export function readToken(given: unknown): string | undefined {
  return typeof given === "string" && given !== "" ? given : undefined;
}
