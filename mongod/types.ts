export type Log = (message: string, details?: object) => void;

/** A mongod that was seen to run: what to put before its arguments, its version, and where it came from. */
export interface Binary {
  command: string[];
  version: string;
  /** One sentence part, such as "the npm package …, hash verified". */
  source: string;
}
