import { ObjectId } from "mongodb";
import { isHex24 } from "../model/user-id.ts";

/** A user's `_id`: an `ObjectId` when the id on the wire is 24 hex characters, else the string itself. */
export function storedUserId(user: string): ObjectId | string {
  return isHex24(user) ? new ObjectId(user) : user;
}

/** The wire form of a stored id. */
export function wireUserId(stored: ObjectId | string): string {
  return typeof stored === "string" ? stored : stored.toHexString();
}

/** A new id: 24 hex characters, growing with time. */
export function newId(): string {
  return new ObjectId().toHexString();
}

/** A new id with the time of another clock, in Unix milliseconds. */
export const newIdAt = (now: number): string =>
  new ObjectId(ObjectId.generate(Math.floor(now / 1000))).toHexString();
