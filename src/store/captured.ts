import { type Collection, type Db, ObjectId } from "mongodb";
import type { CapturedMessage } from "../model/channel.ts";
import { nobody } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { byId, deliveriesOf } from "./deliveries.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";

type CapturedDocument = Omit<CapturedMessage, "id" | "at"> & { _id: ObjectId; at: Date; channel: Channel };

export const capturedOf = (db: Db): Collection<CapturedDocument> => db.collection("captured");

/** Messages of channels without a provider. */
export function createCapturedStore(db: Db, now: () => number) {
  const captured = capturedOf(db);
  return {
    /** One result per message. A message that was captured before counts as captured: its id is the delivery's. */
    async add(messages: Array<Omit<CapturedMessage, "at">>): Promise<Array<undefined | Error>> {
      const at = new Date(now());
      const documents = messages.map(({ id, ...rest }) => ({ _id: new ObjectId(id), ...rest, at }));
      // Unordered: an ordered insert would stop at the first duplicate.
      const reply = await db.command({ insert: "captured", documents, ordered: false });
      const results: Array<undefined | Error> = messages.map(() => undefined);
      for (const { index, code, errmsg } of reply.writeErrors ?? [])
        if (code !== duplicateKey) results[index] = new Error(`not captured: ${errmsg}`);
      return results;
    },

    /** Newest first. */
    async list(skip: number, limit: number): Promise<CapturedMessage[]> {
      const newest = captured.find().sort({ $natural: -1 }).skip(skip).limit(limit);
      return (await orUnavailable(() => newest.toArray())).map(messageOf);
    },

    async one(id: string): Promise<CapturedMessage | undefined> {
      const found = await orUnavailable(() => captured.findOne({ _id: new ObjectId(id) }));
      return found ? messageOf(found) : undefined;
    },
  };
}

/**
 * Deletes messages of users who were erased while the message was being captured. The erasure anonymizes deliveries
 * before it deletes captured messages, so a message captured after that has a delivery without a user.
 */
export async function forgetErased(db: Db, deliveries: ObjectId[]): Promise<void> {
  const found = await deliveriesOf(db)
    .find({ _id: { $in: deliveries }, user: nobody }, { projection: { _id: 1 }, ...byId })
    .toArray();
  if (found.length > 0) await capturedOf(db).deleteMany({ _id: { $in: found.map((one) => one._id) } });
}

const messageOf = ({ _id, at, ...rest }: CapturedDocument): CapturedMessage => ({
  id: _id.toHexString(),
  at: at.getTime(),
  ...rest,
});
