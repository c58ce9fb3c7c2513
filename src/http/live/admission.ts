import type { IncomingMessage } from "node:http";
import { BelfryError } from "../../model/errors.ts";
import type { Addresses } from "../addresses.ts";
import { type Authorizer, bearerOf } from "../auth.ts";
import type { Connections } from "../connections.ts";
import { publicError } from "../errors.ts";
import type { OriginRule } from "../origins.ts";
import { type Closing, createConnectionLimit, createWaitingRoom } from "./connection-limits.ts";

export interface AdmissionOptions {
  authorizer: Pick<Authorizer, "authorize">;
  addresses: Pick<Addresses, "clientAddress" | "noticeProxy">;
  isAllowedOrigin: OriginRule;
  /** Throws `foreign_host`; absent: every host is answered. */
  checkHost?: (request: IncomingMessage) => void;
  /** Where plain HTTP connections are counted, which these are no more. */
  release?: Connections["release"];
  connectionsPerUser: number;
  connectionsPerAddress: number;
  log: { error(details: object, message: string): void };
}

/** Decides who may listen, and how many at once. */
export interface Admission {
  /** Throws `foreign_host` or `forbidden` when a foreign page asks. */
  checkPage(request: IncomingMessage): void;
  /** Throws `too_many_connections` when the address is full, and `overloaded` while the service stops. */
  checkAddress(request: IncomingMessage): void;
  /** Counts a connection that has not shown a token yet. `dismiss` closes it when too many of its address wait. */
  arrive(request: IncomingMessage, connection: Closing, dismiss: () => void): void;
  /** Counts a connection of the user until it closes. Throws as `checkAddress` does, and when the user is full. */
  enter(request: IncomingMessage, user: string, connection: Closing): void;
  /** Until when the request may listen to the user, in Unix milliseconds. Rejects with `unauthorized` or `forbidden`. */
  authorize(request: IncomingMessage, user: string, token: string | undefined): Promise<number | undefined>;
  /** The error that the client is shown. A defect of ours is logged. */
  refusal(error: unknown): BelfryError;
  release: Connections["release"];
  /** Admits nobody any more. Resolves when all have left. */
  shut(): Promise<void>;
}

/** A client waits for a round trip; a flood of silent ones holds no more than a quarter of what the address may have. */
const waitingOf = (perAddress: number) => Math.min(perAddress, Math.max(100, Math.ceil(perAddress / 4)));

export function createAdmission(options: AdmissionOptions): Admission {
  const { authorizer, isAllowedOrigin, checkHost, release = () => {} } = options;
  const { clientAddress, noticeProxy } = options.addresses;
  const addresses = createConnectionLimit(options.connectionsPerAddress);
  const users = createConnectionLimit(options.connectionsPerUser);
  const waiting = createWaitingRoom(waitingOf(options.connectionsPerAddress));
  let isShut = false;
  const checkShut = () => {
    if (isShut) throw new BelfryError("overloaded", "This instance is stopping: connect again.");
  };
  return {
    checkPage(request) {
      const { origin, host } = request.headers;
      noticeProxy(request);
      checkHost?.(request);
      if (!isAllowedOrigin(origin, host))
        throw new BelfryError(
          "forbidden",
          `Pages of ${origin} may not listen here: add the origin to ALLOWED_ORIGINS.`,
        );
    },
    checkAddress(request) {
      checkShut();
      addresses.check(clientAddress(request));
    },
    arrive(request, connection, dismiss) {
      waiting.enter(clientAddress(request), connection, dismiss);
    },
    enter(request, user, connection) {
      checkShut();
      const address = clientAddress(request);
      waiting.leave(address, connection);
      addresses.check(address);
      users.hold(user, connection);
      addresses.hold(address, connection);
    },
    async authorize(request, user, token) {
      const bearer = bearerOf(request.headers.authorization) ?? token;
      return (await authorizer.authorize(bearer, user)).expiresAt;
    },
    refusal(error) {
      const shown = publicError(error as Error);
      if (shown.code === "internal") options.log.error({ err: error }, "a connection failed");
      return shown;
    },
    release,
    shut() {
      isShut = true;
      return addresses.emptied();
    },
  };
}
