import type { IncomingHttpHeaders } from "node:http";
import type { TSchema } from "typebox";
import type { Variable } from "../config/variable.ts";
import type { ChannelRules, Message, Provider } from "../model/channel.ts";
import type { Receipt } from "../model/receipt.ts";

/** The values of variables, by name. */
export type Settings = Record<string, unknown>;

/** Settings of the whole service that providers read, too. */
export type ServiceSettings = {
  PROVIDER_TIMEOUT_MS: number;
  PUBLIC_URL: string | undefined;
  CLOCK: "real" | "virtual";
};

export interface Sender {
  address: string;
  name: string;
}

/** A check of the whole configuration. A variable with a problem of its own (`wrong`) counts as set. */
export interface Check<S = Settings> {
  config: S;
  isSet: (name: string) => boolean;
  wrong: ReadonlySet<string>;
}

/** A provider that can be configured: one file in its channel's folder. */
export interface ProviderModule {
  name: string;
  /** Tried before the channel's others, unless the operator gives an order. */
  preferred?: true;
  variables: Record<string, Variable<unknown>>;
  /** The variable without which it is not configured. Absent: it always is. */
  key?: string;
  /** Settings that do not fit together, as sentences. */
  problems?(check: Check): string[];
  /** Opens it. A heavy library is loaded here. */
  open(config: Settings, now: () => number): Promise<Provider> | Provider;
  /** The variable that limits how much it sends. */
  rate?: string;
  /** How much of the rate a message uses; 1 when absent. */
  cost?(message: Message): number;
  callback?: CallbackModule;
  /** A sentence that says what to check when `verify` cannot reach it. */
  unreachable?: string;
}

/** The route `/v1/callbacks/<provider>`, at which a provider reports what became of messages. */
export interface CallbackModule {
  summary: string;
  description: string;
  querystring?: TSchema;
  /** The schema of a JSON body. Absent: the body is a form. */
  body?: TSchema;
  /** The status of the answer to an accepted report. */
  status: 200 | 204;
  /** How calls are read, or undefined while the variables for it are not set: then the route answers 404. */
  open(config: Settings): CallbackReader | undefined;
}

export type CallbackReader = (call: {
  headers: IncomingHttpHeaders;
  /** Path and query, as they came. */
  url: string;
  query: unknown;
  body: unknown;
  /** Unix ms. */
  now: number;
}) => CallbackReading | undefined;

/** The content of a genuine call. */
export interface CallbackReading {
  /** Absent when it reports nothing that is kept. */
  receipt?: Receipt | undefined;
  /** The call counts only if this was not seen before. */
  token?: string;
}

/** An entry of the list of channels. */
export interface ChannelModule extends ChannelRules {
  variables: Record<string, Variable<unknown>>;
  providers: ProviderModule[];
  /** The variable with the operator's order of providers. */
  order?: string;
  /** Without a provider its messages are captured, as from this sender. */
  capture?: { sender?(config: Settings): Sender /** The variables to set, for doctor. */; toSend: string };
  /** The address of users made by their first notification. `newcomer`: used while nothing can be sent. */
  newUser?: { variable: string; field: "email" | "phone"; words: string; newcomer: string };
}
