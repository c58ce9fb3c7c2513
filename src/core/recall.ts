import { type Static, Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import { nobody } from "../model/delivery.ts";
import { type ErrorDetail, invalidRequest } from "../model/errors.ts";
import { type RecallName, type RecallReceipt, recallResults } from "../model/recall.ts";
import { iso, Time } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import { distinctUsers } from "./distinct-users.ts";
import { createOwnerSearch } from "./owner.ts";

const Receipt = Type.Object(
  {
    notification_id: Type.String(),
    channel: Type.String({ enum: ["inbox", ...channelNames()] }),
    delivery_id: Type.Optional(Type.String({ description: "Absent for the inbox." })),
    result: Type.String({
      enum: [...recallResults],
      description:
        "`stopped`: it is not sent. `withdrawn`: it is no longer in the inbox. `in_flight`: it is being sent at this moment, and is not tried again. `too_late`: it was sent. `nothing`: it had ended without being sent, and stays so.",
    }),
    sent_at: Type.Optional(
      Time(
        "When it was sent. When it is stopped: an earlier attempt may have arrived, or one of the user's addresses has it.",
      ),
    ),
  },
  { title: "RecallReceipt" },
);

export const RecallDto = Type.Object(
  {
    users: Type.Array(
      Type.Object({
        user_id: Type.String(),
        receipts: Type.Array(Receipt, {
          description:
            "One per notification and channel, newest first. Empty: the user has no such notification.",
        }),
      }),
      { description: "In the order of the request. Empty: no user has the notification." },
    ),
  },
  { title: "RecallAnswer" },
);
export type RecallDto = Static<typeof RecallDto>;

/** A request as written: one of `id` and `key`, and at most one of `user` and `users`. */
export interface RecallRequest {
  id?: string;
  key?: string;
  user?: string;
  users?: string[];
}

/** The fields as the library names them; the API has its own names. */
const ownFields = { user: "user", users: "users" };

/**
 * Takes notifications back from their users, and answers what it came to on each channel. May be repeated. Rejects with
 * `invalid_request`, or with `database_unavailable`, when a part may be done. `touch`: called with the users whose inbox
 * changed.
 */
export function createRecall(
  store: Pick<Store, "recall" | "deliveries" | "search">,
  touch: (users: string[]) => void = () => {},
) {
  const ownerOf = createOwnerSearch(store);

  return async (request: RecallRequest, fields = ownFields): Promise<RecallDto> => {
    const { name, users } = readRequest(request, fields);
    const names = users ?? [await ownerOf((name as { id: string }).id)].filter((one) => one !== undefined);
    const known = names.filter((one) => one !== nobody);
    const receipts = known.length === 0 ? [] : await store.recall.recall(known, name);
    touch([...new Set(receipts.filter(({ result }) => result === "withdrawn").map(({ user }) => user))]);
    return {
      users: known.map((user) => ({
        user_id: user,
        receipts: receipts.filter((one) => one.user === user).map(receiptDto),
      })),
    };
  };
}

function receiptDto({
  notification,
  channel,
  delivery,
  result,
  sentAt,
}: RecallReceipt): Static<typeof Receipt> {
  return {
    notification_id: notification,
    channel,
    ...(delivery !== undefined && { delivery_id: delivery }),
    result,
    ...(sentAt !== undefined && { sent_at: iso(sentAt) }),
  };
}

/** Throws `invalid_request` with every problem. */
function readRequest({ id, key, user, users: several }: RecallRequest, fields: typeof ownFields) {
  const problems: ErrorDetail[] = [];
  const add = (pointer: string, detail: string) => problems.push({ pointer, detail });
  if (id === undefined && key === undefined) add("/id", "is missing: send id or key");
  if (id !== undefined && key !== undefined) add("/key", "cannot be combined with id: send only one of them");
  if (user !== undefined && several !== undefined)
    add(`/${fields.users}`, `cannot be combined with ${fields.user}: send only one of them`);
  if (id === undefined && key !== undefined && (user ?? several) === undefined)
    add(`/${fields.user}`, "is missing: a key belongs to a user");
  if (problems.length > 0) throw invalidRequest(problems);
  const name: RecallName = key === undefined ? { id: (id as string).toLowerCase() } : { key };
  const given = several ?? (user === undefined ? undefined : [user]);
  return { name, users: given && distinctUsers({ [fields.users]: given })[fields.users] };
}
