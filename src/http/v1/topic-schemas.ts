import { type Static, Type } from "typebox";
import { distinctUsers } from "../../core/distinct-users.ts";
import { invalidRequest } from "../../model/errors.ts";
import { Exactly, UserId } from "./schemas.ts";

const mostUsers = 1_000;

/** For HTTP and for the library. */
export const TopicBody = Exactly(
  {
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    open: Type.Boolean({ default: false, description: "Users may subscribe and unsubscribe themselves." }),
  },
  { title: "TopicBody" },
);

const Users = (description: string) => Type.Array(UserId, { maxItems: mostUsers, default: [], description });
export const SubscribersBody = Exactly(
  { add: Users("Users who subscribe."), remove: Users("Users who unsubscribe.") },
  { title: "SubscribersBody" },
);

export const PageQuery = Exactly({
  limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
  cursor: Type.Optional(
    Type.String({ maxLength: 1_024, description: "`next_cursor` of the previous page." }),
  ),
});

/** With ids as they are stored. Throws `invalid_request`. */
export function readSubscribers({ add, remove }: Static<typeof SubscribersBody>) {
  const read = distinctUsers({ add, remove });
  if (read.add.length + read.remove.length > mostUsers)
    throw invalidRequest([{ pointer: "/remove", detail: "and `add` together have over 1,000 users" }]);
  return read;
}
