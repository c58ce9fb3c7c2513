import type { Recipient } from "../../src/model/channel.ts";
import type { Variables } from "./service.ts";

/** Whatever comes is taken, refused for now, refused for good, or read and left without an answer. */
export type Verdict = "take" | "later" | "never" | "no answer";

/** A message as it came, whatever it was answered. */
export interface Received {
  /** All recipients. */
  to: string[];
  /** The delivery's, from wherever this provider has it. */
  id: string;
  text: string;
  title?: string | undefined;
  html?: string | undefined;
  /** The names of its headers and fields. No content may add to them. */
  fields: string[];
}

/** The other side of a provider: a real server, or for capture the collection. */
export interface Counterpart {
  /** They make Belfry send there. */
  variables: Variables;
  /** Those that differ with credentials that are refused. */
  wrong?: Variables;
  /** All credentials, the right and the wrong. */
  secrets: string[];
  /** A user that is reached there. The address has "canary", or as a number 5552223333. */
  profile: Recipient;
  /** The same with a line break and a header of an attacker's; `arrivesAs` when the message is sent all the same. */
  broken: { profile: Recipient; arrivesAs?: string };
  /** Until the next call. A start takes. */
  answer(verdict: Verdict): unknown;
  received(): Received[] | Promise<Received[]>;
  /** Connections that are open, and that there have been. */
  connections?: () => { open: number; ever: number };
}

/** What a counterpart may be unable to do, each with why. */
export type Ability =
  /** Refuse a message for good. */
  | "refuse"
  /** Leave it open whether it took a message. */
  | "doubt"
  /** Refuse our credentials. */
  | "credentials"
  /** Be connected to. */
  | "connections"
  /** Show what it did not take. */
  | "offers";

export interface ProviderCase {
  name: string;
  channel: "email" | "sms" | "webhook";
  cannot?: Partial<Record<Ability, string>>;
  /** Closed after the test. */
  start(): Promise<Counterpart>;
}
