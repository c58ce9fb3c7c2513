export type Log = (message: string, details?: object) => void;

/** Tests also run a sharded cluster, whose router is `mongos`. */
export type Program = "mongod" | "mongos";

/** A mongod that was seen to run: what to put before its arguments, its version, and where it came from. */
export interface Binary {
  command: string[];
  version: string;
  /** One sentence part, such as "the npm package …, hash verified". */
  source: string;
}
