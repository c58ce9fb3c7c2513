import { type Collection, type Db, ObjectId } from "mongodb";
import type { Channel } from "../model/notification.ts";
import type { CapturedMessage } from "../model/provider.ts";
import { orUnavailable } from "./failures.ts";

type CapturedDocument = Omit<CapturedMessage, "id" | "at"> & { _id: ObjectId; at: Date; channel: Channel };

/** Messages that no provider was there to send. */
export function createCapturedStore(db: Db) {
  const captured: Collection<CapturedDocument> = db.collection("captured");
  return {
    /** One result a message. A message captured before counts as captured: its id is the delivery's. */
    async add(messages: CapturedMessage[]): Promise<Array<undefined | Error>> {
      const documents = messages.map(({ id, at, ...rest }) => ({
        _id: new ObjectId(id),
        at: new Date(at),
        ...rest,
      }));
      // Unordered: an ordered insert would stop at the first duplicate.
      const reply = await db.command({ insert: "captured", documents, ordered: false });
      const results: Array<undefined | Error> = messages.map(() => undefined);
      for (const { index, code, errmsg } of reply.writeErrors ?? [])
        if (code !== 11000) results[index] = new Error(`not captured: ${errmsg}`);
      return results;
    },

    /** Newest first. */
    async list(skip: number, limit: number): Promise<CapturedMessage[]> {
      const newest = captured.find().sort({ $natural: -1 }).skip(skip).limit(limit);
      const found = await orUnavailable(() => newest.toArray());
      return found.map(({ _id, at, ...rest }) => ({ id: _id.toHexString(), at: at.getTime(), ...rest }));
    },
  };
}
