import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import type { Provider, WebhookMessage } from "../../model/channel.ts";
import { SendError } from "../../model/delivery.ts";
import { webhookHeaderProblems } from "../../model/webhook-headers.ts";
import { BlockedTarget, type CheckedTarget, createWebhookGuard, type GuardOptions } from "./guard.ts";
import { webhookHeaders, webhookKey } from "./signature.ts";

type Outcome = SendError["outcome"];

export interface WebhookOptions extends GuardOptions {
  now: () => number;
  /** For the whole exchange, the name's resolution included. */
  timeoutMs?: number;
}

const maxAnswerBytes = 64 * 1024;
const keptAnswerBytes = 1024;
/** 100, 102 and 103 come before the answer; a target that floods us with them is left. */
const maxInterimAnswers = 20;
const slowMs = 60_000;
const longestWaitMs = 24 * 60 * 60_000;

/**
 * POSTs a notification to a user's URL as Standard Webhooks 1.0.0 has it (`docs/providers/webhook.md`).
 *
 * No outcome is `ailing`: each user has a target of their own, and one that fails must not open the breaker for all
 * the others. Each attempt makes its own connection (`agent: false`), since a kept one would lead to an address that
 * was checked for an earlier attempt; that also leaves the proxy variables of the environment out.
 */
export function createWebhookProvider(options: WebhookOptions): Provider<WebhookMessage> {
  const { now, timeoutMs = 15_000 } = options;
  const check = createWebhookGuard(options);

  return {
    name: "webhook",
    channel: "webhook",
    async send({ id, url, secrets, headers: own = {}, payload }, ended) {
      const keys = secrets.map(webhookKey).filter((key) => key !== undefined);
      if (keys.length !== secrets.length || keys.length < 1 || keys.length > 2)
        throw refusal(
          "SECRET",
          "the target needs one or two secrets of the form whsec_<base64 of 24 to 64 bytes>",
        );
      // The profile was checked when it was stored, but a user's document has other writers too.
      if (webhookHeaderProblems(own, "").length > 0)
        throw refusal("HEADERS", "the webhook has headers that are not allowed; store it again");
      const body = JSON.stringify(payload);
      const time = AbortSignal.timeout(timeoutMs);
      const deadline = ended ? AbortSignal.any([time, ended]) : time;

      const target = await orTimeout(check(url), deadline).catch((error: Error) => {
        if (error instanceof BlockedTarget) throw refusal("BLOCKED", error.message);
        throw retry(
          (error as NodeJS.ErrnoException).code ?? "DNS",
          "the target's name could not be resolved",
          error,
        );
      });
      const headers = {
        "user-agent": "Belfry",
        ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value])),
        "content-type": "application/json",
        ...webhookHeaders(keys, id, Math.floor(now() / 1000), body),
      };
      const { status, retryAfter, text } = await post(target, headers, body, deadline);
      const shown = `${status} ${text}`.trim();
      if (status >= 200 && status < 300) return { text: shown };
      throw new SendError(webhookOutcome(status, shown, retryAfter, now()));
    },
    async close() {},
  };
}

/** The meaning of a status other than 2xx. `retryAfter`: the header as it came. */
export function webhookOutcome(
  status: number,
  text: string,
  retryAfter: string | undefined,
  now: number,
): Outcome {
  const code = String(status);
  // Standard Webhooks: the receiver wants no more. A bad address is remembered, which ends this target's deliveries.
  if (status === 410) return { kind: "rejected", reason: "address", code, text };
  const slow = status === 429 || status === 502 || status === 504;
  const afterMs = retryAfterMs(retryAfter, now) ?? (slow ? slowMs : undefined);
  return { kind: "retry", code, text, ...(afterMs !== undefined && { afterMs }) };
}

/** RFC 9110 10.2.3: seconds or an HTTP date; at most a day is honoured. */
function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,10}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), longestWaitMs);
}

interface Answer {
  status: number;
  retryAfter: string | undefined;
  /** The first KiB of the body. */
  text: string;
}

/** One exchange, never redirected. Throws `SendError` when no answer came. */
function post(
  { url, addresses }: CheckedTarget,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  // The name stays in `Host` and in TLS's server name; only its resolution is ours.
  const lookup = ((_host, { all }, done) => {
    const [first] = addresses as [CheckedTarget["addresses"][number]];
    if (all) done(null, addresses);
    else done(null, first.address, first.family);
  }) as LookupFunction;

  return new Promise((resolve, reject) => {
    const secure = url.protocol === "https:";
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method: "POST",
      headers,
      agent: false,
      lookup,
      signal,
    });
    let connected = false;
    request.on("socket", (socket) => {
      socket.once(secure ? "secureConnect" : "connect", () => {
        connected = true;
      });
    });
    // Once there is a status, it is what counts: `readStart` copes with what happens to the body.
    let answered = false;
    const fail = (error: NodeJS.ErrnoException) => {
      if (!answered) reject(unanswered(error, signal, connected));
    };
    request.on("error", fail);
    // The last event of every request: whatever the target does, the promise settles.
    request.on("close", () => fail(new Error("the connection ended without an answer")));
    let interim = 0;
    request.on("information", () => {
      if (++interim > maxInterimAnswers) request.destroy(new Error("too many 1xx answers"));
    });
    // Without a listener Node.js closes the connection and tells nobody.
    request.on("upgrade", ({ statusCode, headers }, socket) => {
      answered = true;
      socket.destroy();
      resolve({ status: statusCode as number, retryAfter: headers["retry-after"], text: "" });
    });
    request.on("response", (response) => {
      answered = true;
      readStart(response, (text) => {
        resolve({
          status: response.statusCode as number,
          retryAfter: response.headers["retry-after"],
          text,
        });
        request.destroy();
      });
    });
    request.end(body);
  });
}

/** The status has decided by now, so an answer that is too long, too slow or cut off is used as far as it came. */
function readStart(response: IncomingMessage, done: (text: string) => void): void {
  let bytes = 0;
  const kept: Buffer[] = [];
  response.on("data", (chunk: Buffer) => {
    if (bytes < keptAnswerBytes) kept.push(chunk.subarray(0, keptAnswerBytes));
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) response.destroy();
  });
  response.on("error", () => {});
  response.on("close", () => done(Buffer.concat(kept).subarray(0, keptAnswerBytes).toString("utf8")));
}

/** Before there was a connection the target cannot have seen it; afterwards nobody knows. */
function unanswered(error: NodeJS.ErrnoException, signal: AbortSignal, connected: boolean): SendError {
  const code = signal.aborted ? "TIMEOUT" : (error.code ?? "ERROR");
  const text = signal.aborted ? "no answer in time" : error.message;
  if (!connected) return retry(code, text, error);
  return new SendError({ kind: "unknown", code, text, ailing: false }, error);
}

const refusal = (code: string, text: string): SendError =>
  new SendError({ kind: "rejected", reason: "policy", code, text });

const retry = (code: string, text: string, cause?: unknown): SendError =>
  new SendError({ kind: "retry", code, text }, cause);

/** A resolution cannot be called off; it is no longer waited for. */
function orTimeout<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
