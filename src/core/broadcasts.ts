import type { Static } from "typebox";
import { pause } from "../lib/backoff.ts";
import type { Audience, AudiencePage } from "../model/broadcast.ts";
import { BelfryError, type ErrorDetail, invalidRequest } from "../model/errors.ts";
import type { JobFilter, JobRecord } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import { type AudienceBody, readAudience } from "./audience.ts";
import type { BroadcastPreviewDto } from "./broadcast-dto.ts";
import type { CursorText } from "./cursor.ts";
import type { DryRun } from "./dry-run.ts";
import { digestOfRequest } from "./idempotency.ts";
import type { Jobs } from "./jobs.ts";
import type { Notifier } from "./notify.ts";

export const broadcastKind = "broadcast";

/** The command of a job of this kind. `request`: a digest, which tells an equal request from another with the same key. */
export interface BroadcastCommand {
  notification: Omit<NotifyCommand, "user">;
  /** Of named users, how many there are. */
  to: Exclude<Audience, { users: string[] }> | { users: number };
  /** They are kept apart: a list of broadcasts is read without them. */
  users?: string[];
  /** Left out: who did what the notification is about. */
  actor?: string;
  request: string;
}

/** Where a broadcast goes on, and how many users a second it reached lately. */
export interface BroadcastCursor {
  next: string;
  rate: number;
}

export interface BroadcastRequest {
  notification: Omit<NotifyCommand, "user">;
  to: Static<typeof AudienceBody>;
  actor?: string;
  key?: string;
}

/** Time to count an audience, and to find its first users. */
const patienceMs = 5_000;
const shownInPreview = 20;
/** More notifications than this wait to be stored: a broadcast waits, too. */
const longQueue = 300;
const calmAfterMs = 20;

/**
 * Notifications to many users, as jobs. `create` rejects with `invalid_request` with every problem, or with
 * `idempotency_mismatch` when the key belongs to another broadcast.
 */
export function createBroadcasts(
  store: Pick<Store, "jobs" | "audience" | "topics" | "newTimedId" | "now">,
  { plan, waiting }: Pick<Notifier, "plan" | "waiting">,
  { dryRun, jobs, onJob }: { dryRun: DryRun; jobs: Jobs; onJob: (due: number) => void },
) {
  const { audience } = store;

  async function check({ notification, to, actor }: BroadcastRequest): Promise<BroadcastCommand> {
    const problems: ErrorDetail[] = [];
    collect(problems, "/notification", () => plan({ ...notification, user: "" }));
    const read = collect(problems, "", () => readAudience(to));
    if (read && "topic" in read && !(await store.topics.read(read.topic)))
      problems.push({ pointer: "/to/topic", detail: "is not a topic" });
    if (!read || problems.length > 0) throw invalidRequest(problems);
    const request = digestOfRequest("POST", "/v1/broadcasts", { notification, to: read, actor });
    return {
      notification,
      ...("users" in read ? { to: { users: read.users.length }, users: read.users } : { to: read }),
      ...(actor !== undefined && { actor }),
      request,
    };
  }

  /** Without the actor; undefined when counting takes too long. */
  async function count(command: BroadcastCommand): Promise<number | undefined> {
    const { actor } = command;
    const to = audienceOf(command);
    const all = await audience.count(to, patienceMs);
    const isIn = all !== undefined && actor !== undefined && (await audience.has(to, actor));
    return all === undefined ? undefined : all - (isIn ? 1 : 0);
  }

  async function show(id: string): Promise<JobRecord> {
    const job = await jobs.show(id);
    if (job.kind !== broadcastKind) throw new BelfryError("not_found", `There is no broadcast ${id}.`);
    return job;
  }
  const change = (how: "pause" | "resume" | "cancel") => async (id: string) => {
    await show(id);
    return jobs[how](id);
  };

  return {
    /** `created` is false when an equal request with this key came before. */
    async create(request: BroadcastRequest): Promise<{ broadcast: JobRecord; created: boolean }> {
      const { key } = request;
      const command = await check(request);
      const total = await count(command);
      const [id, due] = [store.newTimedId(), store.now()];
      const created = await store.jobs.insert({
        id,
        kind: broadcastKind,
        ...(key !== undefined && { key }),
        command,
        due,
        ...(total !== undefined && { total }),
        stoppable: true,
      });
      if (created) onJob(due);
      const [stored] = created
        ? [await jobs.show(id)]
        : await store.jobs.page({ kind: broadcastKind, ...(key !== undefined && { key }) }, undefined, 1);
      if (!stored) throw new BelfryError("database_unavailable");
      if ((stored.command as BroadcastCommand).request !== command.request)
        throw new BelfryError("idempotency_mismatch", `The key ${key} belongs to another broadcast.`);
      return { broadcast: stored, created };
    },

    /** Writes nothing: how many users there are, and what would happen to the first of them. */
    async preview(request: BroadcastRequest): Promise<BroadcastPreviewDto> {
      const command = await check(request);
      const total = await count(command);
      const users: string[] = [];
      const deadline = Date.now() + patienceMs;
      for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
        const page = await audience.page(audienceOf(command), next, shownInPreview + 1);
        users.push(...page.users.filter((user) => user !== command.actor));
        next = page.next;
        if (users.length >= shownInPreview || Date.now() > deadline) break;
      }
      const { notifications } = await dryRun(command.notification, users.slice(0, shownInPreview));
      return { ...(total !== undefined && { total }), notifications };
    },

    list: (filter: Pick<JobFilter, "states" | "key">, limit: number, cursor?: CursorText) =>
      jobs.list({ ...filter, kind: broadcastKind }, limit, cursor),
    show,
    pause: change("pause"),
    resume: change("resume"),
    /** A running broadcast ends with the page that is under way. What it counts by then is what it sent. */
    cancel: change("cancel"),

    /**
     * The next users to notify. Waits while other requests wait. Rejects with `not_found` when the topic was deleted
     * meanwhile.
     */
    async page(
      command: BroadcastCommand,
      position: string | undefined,
      limit: number,
      signal: AbortSignal,
    ): Promise<AudiencePage> {
      const { actor } = command;
      const to = audienceOf(command);
      while (waiting() > longQueue && !signal.aborted) await pause(calmAfterMs, signal);
      if ("topic" in to && !(await store.topics.read(to.topic)))
        throw new BelfryError(
          "not_found",
          `The topic ${to.topic} was deleted before all of it was notified.`,
        );
      const { users, ...rest } = await audience.page(to, position, limit);
      return { users: actor === undefined ? users : users.filter((user) => user !== actor), ...rest };
    },
  };
}

export type Broadcasts = ReturnType<typeof createBroadcasts>;

const audienceOf = ({ to, users = [] }: BroadcastCommand): Audience => ("users" in to ? { users } : to);

/** The problems of a request's part go to the others, under its pointer. */
function collect<Result>(problems: ErrorDetail[], prefix: string, read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BelfryError) || error.code !== "invalid_request") throw error;
    problems.push(...error.details.map(({ pointer, detail }) => ({ pointer: prefix + pointer, detail })));
    return undefined;
  }
}
