import { type Collection, type Db, ObjectId } from "mongodb";
import type { EmailMessage } from "../model/delivery.ts";
import { orUnavailable } from "./failures.ts";

interface CapturedDocument extends Omit<EmailMessage, "id"> {
  _id: ObjectId;
  channel: "email";
  from: string;
  at: Date;
}

export interface CapturedMessage extends Omit<EmailMessage, "user"> {
  channel: "email";
  user_id: string;
  from: string;
  /** Unix milliseconds. */
  at: number;
}

/** Messages that no provider was there to send. */
export function createCapturedStore(db: Db) {
  const captured: Collection<CapturedDocument> = db.collection("captured");
  return {
    /** One result a message. A message captured before counts as captured: its id is the delivery's. */
    async add(
      messages: Array<EmailMessage & { from: string }>,
      now: number,
    ): Promise<Array<undefined | Error>> {
      const documents = messages.map(({ id, ...rest }) => ({
        _id: new ObjectId(id),
        channel: "email" as const,
        at: new Date(now),
        ...rest,
      }));
      // An ordered insert would stop at the first duplicate; capped collections take unordered ones as well.
      const reply = await db.command({ insert: "captured", documents, ordered: false });
      const results: Array<undefined | Error> = messages.map(() => undefined);
      for (const { index, code, errmsg } of reply.writeErrors ?? [])
        if (code !== 11000) results[index] = new Error(`not captured: ${errmsg}`);
      return results;
    },

    /** Newest first. */
    async list(skip: number, limit: number): Promise<CapturedMessage[]> {
      const newest = captured.find().sort({ $natural: -1 }).skip(skip).limit(limit);
      const found = await orUnavailable(newest.toArray());
      return found.map(({ _id, at, user, ...rest }) => ({
        id: _id.toHexString(),
        at: at.getTime(),
        user_id: user,
        ...rest,
      }));
    },
  };
}
