/** Whom a broadcast goes to. */
export type Audience =
  | { topic: string }
  | { all: true }
  /** Distinct, as they are stored, and sorted. */
  | { users: string[] }
  | { filter: AudienceFilter };

/** Fields of the users' documents, each with the value that it must have, or several of which it must have one. */
export type AudienceFilter = Record<string, FilterValue | FilterValue[]>;
export type FilterValue = string | number | boolean;

/** A page of an audience, in the order of the users' ids. */
export interface AudiencePage {
  users: string[];
  /** Where the next page begins; absent after the last one. A page may be empty and still have it. */
  next?: string;
}
