import type { ErrorCode } from "./errors.ts";

/** The right to work on a request that came with a key. `until`: Unix milliseconds. */
export interface KeyLease {
  token: string;
  until: number;
}

/** A request that came with a key. */
export interface KeptRequest {
  /** Digest of what was asked. */
  request: string;
  /** Made beforehand: the notification's of each recipient, in their order. Once answered, those of the answer. */
  ids: string[];
  /** Which recipients' notifications have replaced an earlier one. */
  replaced?: number[];
  /** The lease of the process that works on it; absent when it is answered. */
  lease?: KeyLease;
  /** The answer: all are stored but these. */
  failures?: KeptFailure[];
}

export interface KeptFailure {
  /** Which recipient. */
  at: number;
  code: ErrorCode;
}
