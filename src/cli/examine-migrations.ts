import type { Db } from "mongodb";
import { pendingMigrations } from "../store/migration-runner.ts";
import type { Finding } from "./finding.ts";

/** Which migrations of this version are not done. */
export async function* examineMigrations(db: Db): AsyncGenerator<Finding> {
  const what = "migrations";
  const pending = await pendingMigrations(db);
  if (pending.length === 0) yield { verdict: "ok", what, text: "all are done" };
  for (const { name, state, done, total, error, remedy } of pending) {
    const counts = done > 0 ? `, ${done}${total === undefined ? "" : ` of ${total}`} done` : "";
    yield {
      verdict: state === "failed" ? "bad" : "note",
      what,
      text: `${name}: ${state}${counts}${error ? `: ${error}` : ""}`,
      advice: remedy ?? "The service does it when it starts, and is ready afterwards.",
    };
  }
}
