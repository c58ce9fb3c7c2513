/** One result of `belfry doctor`. `bad`: the service does not work like this. `note`: it works, but perhaps not as intended. */
export interface Finding {
  verdict: "ok" | "note" | "bad";
  what: string;
  text: string;
  /** What to do about it. */
  advice?: string;
}

/** Removes user and password from the URIs that drivers put into some messages. */
export const withoutSecrets = (text: string): string => text.replace(/\/\/[^@\s/]*@/g, "//");
