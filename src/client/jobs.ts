import type { Call, Requester } from "./request.ts";
import type { Job, JobPage, JobRecord } from "./wire.ts";

export interface JobQuery {
  kind?: string;
  status?: Job["status"];
  /** A schedule's key. */
  key?: string;
  /** A user to whom a notification is sent later. */
  user_id?: string;
  /** 1 to 100; 20 by default. */
  limit?: number;
  /** `next_cursor` of the previous page, with the same filters. */
  cursor?: string;
}

export function jobCalls(request: Requester) {
  const one = (method: Call["method"], id: string, action = ""): Promise<JobRecord> =>
    request({ method, path: `/v1/jobs/${encodeURIComponent(id)}${action}` });
  return {
    /** One page, newest first. */
    list: (query: JobQuery = {}): Promise<JobPage> =>
      request({ method: "GET", path: "/v1/jobs", query: { ...query } }),
    get: (id: string) => one("GET", id),
    /** Rejects with `job_not_changeable` when it already ran. Repeating it has no further effect. */
    cancel: (id: string) => one("DELETE", id),
    pause: (id: string) => one("POST", id, "/pause"),
    resume: (id: string) => one("POST", id, "/resume"),
  };
}
