import { SendError } from "../model/delivery.ts";
import { certificateRefusal } from "./certificate.ts";

/** Socket and TLS codes after which nothing was handed over: there was no connection. */
const nothingSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ERR_TLS_\w+|UND_ERR_CONNECT_TIMEOUT)$/;

const maxAnswerBytes = 64 * 1024;

export interface FormPost {
  url: string;
  /** For HTTP's basic authentication. */
  user: string;
  password: string;
  form: Record<string, string>;
  timeoutMs: number;
  /** The engine's deadline. */
  signal?: AbortSignal | undefined;
  /** The variable that holds the API's address, for the remedy of a certificate that is not trusted. */
  variable: string;
}

export interface HttpAnswer {
  status: number;
  /** The JSON object; empty when the body is something else. */
  json: Record<string, unknown>;
  /** The body as it came. */
  text: string;
}

/**
 * Posts a form to a provider's API and reads at most 64 KiB of the answer, whatever its status. A redirect is an answer
 * and is not followed. Throws a `SendError` when no answer comes, and `unknown` for a 2xx that is not JSON, because
 * whatever sent that is not the provider. An abort or a time-out closes the socket.
 */
export async function postForm(post: FormPost): Promise<HttpAnswer> {
  const time = AbortSignal.timeout(post.timeoutMs);
  const signal = post.signal ? AbortSignal.any([time, post.signal]) : time;
  try {
    const response = await fetch(post.url, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`${post.user}:${post.password}`).toString("base64")}`,
        "content-type": "application/x-www-form-urlencoded",
        accept: "application/json",
        "user-agent": "Belfry",
      },
      body: new URLSearchParams(post.form).toString(),
      redirect: "manual",
      signal,
    });
    const text = await readAnswer(response);
    const json = objectIn(text);
    if (response.ok && json === undefined) throw badAnswer("the answer is not JSON");
    return { status: response.status, json: json ?? {}, text };
  } catch (error) {
    if (error instanceof SendError) throw error;
    // The error is not kept as a cause: nothing of the request, which has credentials, may reach a log.
    throw new SendError(
      signal.aborted
        ? { kind: "unknown", code: "TIMEOUT", text: `no answer within ${post.timeoutMs} ms` }
        : unanswered(error as Error, post.variable),
    );
  }
}

/** Leaving the loop early cancels the body, which closes the socket. */
async function readAnswer({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > maxAnswerBytes) throw badAnswer(`the answer has more than ${maxAnswerBytes} bytes`);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const badAnswer = (text: string): SendError =>
  new SendError({ kind: "unknown", code: "ERR_BAD_RESPONSE", text });

/** The meaning of a failure without an answer. `fetch` puts the socket's error into `cause`; several addresses make an AggregateError. */
function unanswered(error: Error, variable: string): SendError["outcome"] {
  const cause = (error.cause ?? error) as Error & { code?: string; errors?: Error[] };
  const code = cause.code === "UND_ERR_SOCKET" ? "ECONNRESET" : (cause.code ?? "ERROR");
  const text = cause.errors?.[0]?.message ?? cause.message;
  const refusal = certificateRefusal(code, text, variable);
  if (refusal) return refusal;
  return nothingSent.test(code)
    ? { kind: "retry", code, text, ailing: true }
    : { kind: "unknown", code, text };
}
