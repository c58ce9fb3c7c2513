// Not by name: programs could not add to `NotificationData` then.
export type * from "../model/notification-data.ts";
export { BelfryClient, type NotifyBody } from "./client.ts";
export { BelfryClientError, type ErrorDetail } from "./error.ts";
export type { JobQuery } from "./jobs.ts";
export type { ConnectionState, LiveConnection, LiveView } from "./live.ts";
export type { PageQuery } from "./topics.ts";
export type { WebSocketClass, WebSocketLike } from "./transports.ts";
export type { ClientOptions, LiveOptions } from "./user-client.ts";
export type * from "./wire.ts";
