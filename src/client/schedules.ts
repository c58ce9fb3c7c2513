import type { Call, Requester } from "./request.ts";
import type { ScheduleBody, SchedulePage, ScheduleRecord } from "./wire.ts";

export function scheduleCalls(request: Requester) {
  const one = <Answer = ScheduleRecord>(
    method: Call["method"],
    key: string,
    action = "",
    body?: ScheduleBody,
  ): Promise<Answer> => {
    const path = `/v1/schedules/${encodeURIComponent(key)}${action}`;
    return request({ method, path, ...(body && { body }) });
  };
  return {
    /** Stores it under your key, in place of what is there. Call it at each start of your program, if you like. */
    put: (key: string, schedule: ScheduleBody) => one("PUT", key, "", schedule),
    /** One page, by key. */
    list: (query: { limit?: number; cursor?: string } = {}): Promise<SchedulePage> =>
      request({ method: "GET", path: "/v1/schedules", query: { ...query } }),
    /** With the next five occurrences in each zone. */
    get: (key: string) => one("GET", key),
    pause: (key: string) => one("POST", key, "/pause"),
    resume: (key: string) => one("POST", key, "/resume"),
    delete: (key: string) => one<void>("DELETE", key),
  };
}
