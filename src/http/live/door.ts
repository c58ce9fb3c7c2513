import type { IncomingMessage } from "node:http";
import { BelfryError } from "../../model/errors.ts";
import type { Addresses } from "../addresses.ts";
import { type Authorizer, bearerOf, isLoopbackName } from "../auth.ts";
import { publicError } from "../errors.ts";
import { type Closing, createSeats } from "./seats.ts";

export interface DoorOptions {
  authorizer: Pick<Authorizer, "authorize">;
  clientAddress: Addresses["clientAddress"];
  isAllowedOrigin: (origin: string | undefined, host: string | undefined) => boolean;
  loopbackOnly: boolean;
  connectionsPerUser: number;
  connectionsPerAddress: number;
  log: { error(details: object, message: string): void };
}

/** Who may listen, and how many at once. */
export interface Door {
  /** Throws `foreign_host` or `forbidden` for a page that does not belong here. */
  checkPage(request: IncomingMessage): void;
  /** Each takes a seat until `connection` closes, or throws `too_many_connections`, or `overloaded` once it is shut. */
  enterAddress(request: IncomingMessage, connection: Closing): void;
  enterUser(user: string, connection: Closing): void;
  /** Throws as `enterAddress` would. */
  checkSeat(request: IncomingMessage): void;
  /** Until when the request may listen to the user, in Unix milliseconds. Rejects with `unauthorized` or `forbidden`. */
  authorize(request: IncomingMessage, user: string, token: string | undefined): Promise<number | undefined>;
  /** What is told to whom these have thrown at. A defect of ours is logged. */
  refusal(error: unknown): BelfryError;
  /** Lets nobody in any more. Resolves when all have left. */
  shut(): Promise<void>;
}

export function createDoor(options: DoorOptions): Door {
  const { authorizer, clientAddress, isAllowedOrigin, loopbackOnly } = options;
  const addresses = createSeats(options.connectionsPerAddress);
  const users = createSeats(options.connectionsPerUser);
  let isShut = false;
  const checkShut = () => {
    if (isShut) throw new BelfryError("overloaded", "This instance stops: connect again.");
  };
  return {
    checkPage({ headers: { origin, host } }) {
      if (loopbackOnly && !isLoopbackName(host)) throw new BelfryError("foreign_host");
      if (!isAllowedOrigin(origin, host))
        throw new BelfryError("forbidden", `Pages of ${origin} may not listen here: see ALLOWED_ORIGINS.`);
    },
    enterAddress(request, connection) {
      checkShut();
      addresses.hold(clientAddress(request), connection);
    },
    enterUser: (user, connection) => users.hold(user, connection),
    checkSeat(request) {
      checkShut();
      addresses.check(clientAddress(request));
    },
    async authorize(request, user, token) {
      const bearer = bearerOf(request.headers.authorization) ?? token;
      return (await authorizer.authorize(bearer, user)).expiresAt;
    },
    refusal(error) {
      const told = publicError(error as Error);
      if (told.code === "internal") options.log.error({ err: error }, "a connection failed");
      return told;
    },
    shut() {
      isShut = true;
      return addresses.emptied();
    },
  };
}
