import type { JobDto } from "../core/job-dto.ts";
import { jobDto, jobRecordDto } from "../core/job-dto.ts";
import { createJobs } from "../core/jobs.ts";
import { type JobState, jobStates } from "../model/job.ts";
import { type Given, integer, UsageError, userId } from "./arguments.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import { momentOf, safe, terminal, watched } from "./terminal.ts";

const actions = ["pause", "resume", "cancel"] as const;

export const jobs = {
  usage: "jobs [id] [filters]",
  description: "List what is sent later; show, pause, resume or cancel one",
  positional: { name: "id", optional: true },
  options: {
    kind: { value: "<kind>", description: "only of this kind, such as later" },
    status: { value: "<status>", description: jobStates.join(", ") },
    key: { value: "<key>", description: "only of this schedule" },
    user: { value: "<id>", description: "only those that notify this user later" },
    limit: { value: "<n>", description: "how many at most; 20 by default" },
    pause: { description: "pause the job" },
    resume: { description: "go on with the paused job" },
    cancel: { description: "cancel the job" },
    json: { description: "print JSON, one job per line" },
  },
  examples: ["belfry jobs --status scheduled", "belfry jobs 6b0b3df2d94f5a32a03fed23 --cancel"],
  async run(given: Given): Promise<void> {
    const [id] = given.positionals;
    const action = actions.find((one) => given.flags.has(one));
    if (action && id === undefined) throw new UsageError(`--${action} needs the id of a job`);
    if (id !== undefined && !/^[0-9a-f]{24}$/i.test(id))
      throw new UsageError("<id> must be 24 hex characters");
    const filter = filterOf(given);
    const limit = integer(given, "limit", 1, 1_000, 20);
    await withSession(async ({ store }) => {
      // The service finds by itself what is due again.
      const all = createJobs(store, () => {});
      if (id !== undefined) {
        const job = await watched("reading", all[action ?? "show"](id.toLowerCase()));
        return terminal.print(JSON.stringify(jobRecordDto(job), null, given.flags.has("json") ? 0 : 2));
      }
      const page = await watched("searching", all.list(filter, limit));
      const found = page.data.map(jobDto);
      if (given.flags.has("json")) for (const one of found) terminal.print(JSON.stringify(one));
      else terminal.print(found.length > 0 ? listOf(found) : "No jobs match.");
      if (page.next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

function filterOf({ values: { kind, status, key, user } }: Given) {
  if (status !== undefined && !jobStates.includes(status as JobState))
    throw new UsageError(`--status must be one of ${jobStates.join(", ")}`);
  return {
    ...(kind !== undefined && { kind }),
    ...(status !== undefined && { states: [status as JobState] }),
    ...(key !== undefined && { key }),
    ...(user !== undefined && { user: userId(user, "--user") }),
  };
}

function listOf(found: JobDto[]): string {
  const rows = found.map((one) => [
    one.id,
    one.kind,
    safe(one.key ?? one.type ?? ""),
    one.status,
    momentOf(Date.parse(one.due)),
    `${one.done}${one.total === undefined ? "" : `/${one.total}`}`,
    safe(one.error ?? ""),
  ]);
  return table(["JOB", "KIND", "WHAT", "STATUS", "DUE", "DONE", "ERROR"], rows, {
    whole: ["JOB", "STATUS", "DUE"],
    spare: ["KIND"],
    numbers: ["DONE"],
  });
}
