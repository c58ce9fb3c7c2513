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
  /** Throws `foreign_host`; absent: every host is allowed. */
  checkHost?: (request: IncomingMessage) => void;
  /** Stops counting the connection as plain HTTP. */
  release?: Connections["release"];
  connectionsPerUser: number;
  connectionsPerAddress: number;
  log: { error(details: object, message: string): void };
}

export type Admission = ReturnType<typeof createAdmission>;

/** Clients that have not sent a token yet may use a quarter of the connections of their address. */
const waitingOf = (perAddress: number) => Math.min(perAddress, Math.max(100, Math.ceil(perAddress / 4)));

/** Checks new connections: origin, token and limits. */
export function createAdmission(options: AdmissionOptions) {
  const { authorizer, isAllowedOrigin, checkHost, release = () => {} } = options;
  const { clientAddress, noticeProxy } = options.addresses;
  const addresses = createConnectionLimit(options.connectionsPerAddress);
  const users = createConnectionLimit(options.connectionsPerUser);
  const waiting = createWaitingRoom(waitingOf(options.connectionsPerAddress));
  let isShut = false;
  const checkShut = () => {
    if (isShut) throw new BelfryError("overloaded", "This instance is stopping. Connect again.");
  };
  return {
    /** Throws `foreign_host`, or `forbidden` for a page of another origin. */
    checkPage(request: IncomingMessage): void {
      const { origin, host } = request.headers;
      noticeProxy(request);
      checkHost?.(request);
      if (!isAllowedOrigin(origin, host))
        throw new BelfryError(
          "forbidden",
          `Pages of ${origin} are not allowed to connect. Add the origin to ALLOWED_ORIGINS.`,
        );
    },
    /** Throws `too_many_connections` when the address is full, and `overloaded` while the service stops. */
    checkAddress(request: IncomingMessage): void {
      checkShut();
      addresses.check(clientAddress(request));
    },
    /** Counts a connection that has not sent a token yet. `dismiss` closes it when too many of its address wait. */
    arrive(request: IncomingMessage, connection: Closing, dismiss: () => void): void {
      waiting.enter(clientAddress(request), connection, dismiss);
    },
    /** Counts a connection of the user until it closes. Throws as `checkAddress` does, and when the user is full. */
    enter(request: IncomingMessage, user: string, connection: Closing): void {
      checkShut();
      const address = clientAddress(request);
      waiting.leave(address, connection);
      addresses.check(address);
      users.count(user, connection);
      addresses.count(address, connection);
    },
    /** When the permission ends, in Unix milliseconds. Rejects with `unauthorized` or `forbidden`. */
    async authorize(
      request: IncomingMessage,
      user: string,
      token: string | undefined,
    ): Promise<number | undefined> {
      const bearer = bearerOf(request.headers.authorization) ?? token;
      return (await authorizer.authorize(bearer, user)).expiresAt;
    },
    /** The error to show to the client. A defect is logged. */
    refusal(error: unknown): BelfryError {
      const shown = publicError(error as Error);
      if (shown.code === "internal") options.log.error({ err: error }, "a connection failed");
      return shown;
    },
    release,
    /** Refuses new connections. Resolves when all have closed. */
    shut(): Promise<void> {
      isShut = true;
      return addresses.emptied();
    },
  };
}
