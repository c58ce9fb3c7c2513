/** One result of `belfry doctor`. `bad`: the service does not work like this. `note`: it works, but perhaps not as intended. */
export interface Finding {
  verdict: "ok" | "note" | "bad";
  what: string;
  text: string;
  /** A sentence that says what to do. */
  advice?: string;
}

/** Removes user and password from the URIs that drivers put into some messages. */
export const withoutSecrets = (text: string): string => text.replace(/\/\/[^@\s/]*@/g, "//");

/** A provider's code and words; the words alone where they begin with the code, as a mail server's do. */
export const providerWords = (code = "", text = ""): string =>
  text.startsWith(code) ? text : `${code} ${text}`.trim();
