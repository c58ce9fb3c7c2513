import { describe } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { queueBehaviour } from "./shared.ts";

const database = freshDatabase();

describe("MongoDB alone as the queue", () => {
  queueBehaviour(database, () => ({}));
});
