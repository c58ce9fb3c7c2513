import { newKey } from "./platform.ts";
import type { Call, Requester } from "./request.ts";
import type { PageQuery } from "./topics.ts";
import type { BroadcastBody, BroadcastDetails, BroadcastPage, BroadcastPreview } from "./wire.ts";

export function broadcastCalls(request: Requester) {
  const call = <Answer>(
    method: Call["method"],
    rest: string,
    more: Pick<Call, "body" | "query"> = {},
  ): Promise<Answer> => request({ method, path: `/v1/broadcasts${rest}`, ...more });
  return {
    /** The client makes a `key` of its own, so its retries begin no second broadcast. */
    create: (broadcast: BroadcastBody): Promise<BroadcastDetails> =>
      call("POST", "", { body: { key: newKey(), ...broadcast } }),
    /** Writes nothing: how many users there are, and what would happen to the first 20 of them. */
    preview: (broadcast: BroadcastBody): Promise<BroadcastPreview> =>
      call("POST", "", { body: broadcast, query: { dry_run: true } }),
    list: (query: PageQuery = {}): Promise<BroadcastPage> => call("GET", "", { query: { ...query } }),
    /** With its progress. */
    get: (id: string): Promise<BroadcastDetails> => call("GET", `/${id}`),
    /** A running one ends with the page that is under way. */
    pause: (id: string): Promise<BroadcastDetails> => call("POST", `/${id}/pause`),
    resume: (id: string): Promise<BroadcastDetails> => call("POST", `/${id}/resume`),
    cancel: (id: string): Promise<BroadcastDetails> => call("POST", `/${id}/cancel`),
  };
}
