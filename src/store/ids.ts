import { ObjectId } from "mongodb";

const hex24 = /^[0-9a-f]{24}$/i;

/** A user's `_id`: an `ObjectId` when the id on the wire is 24 hex characters, else the string itself. */
export function storedUserId(user: string): ObjectId | string {
  return hex24.test(user) ? new ObjectId(user) : user;
}

/** The wire form of a stored id. */
export function wireUserId(stored: ObjectId | string): string {
  return typeof stored === "string" ? stored : stored.toHexString();
}

/** A new id: 24 hex characters, growing with time. */
export function newId(): string {
  return new ObjectId().toHexString();
}
