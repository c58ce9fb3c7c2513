import { MongoError } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { isRefusal } from "./commit.ts";

const maxTimeExpired = 50;

/** Runs a question to the database; when that does not answer, it rejects with `database_unavailable`. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof MongoError) || isRefusal(error)) throw error;
    const says =
      error.code === maxTimeExpired
        ? "MongoDB could not look through all of it in time: ask for less, with from and to for example."
        : undefined;
    throw new BelfryError("database_unavailable", says, [], error);
  }
}
