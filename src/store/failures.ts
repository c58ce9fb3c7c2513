import { MongoError } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { isRefusal } from "./commit.ts";

/** A read or a marking whose failure is the caller's to repeat when MongoDB is away; a refused query is our defect. */
export async function orUnavailable<Found>(query: Promise<Found>): Promise<Found> {
  try {
    return await query;
  } catch (error) {
    if (error instanceof MongoError && !isRefusal(error))
      throw new BelfryError("database_unavailable", undefined, [], error);
    throw error;
  }
}
