import type { WireMessage } from "../model/inbox-wire.ts";
import { BelfryClientError, errorOf } from "./error.ts";

/** How a connection came to its end. */
export interface End {
  /** The service does not let this bearer in (any more). */
  refused?: boolean;
  error?: BelfryClientError;
}

/** Resolves when the connection has ended. */
export type Transport = (connection: {
  url: string;
  bearer: string | undefined;
  onMessage: (message: WireMessage) => void;
  /** Aborted, it ends; a message may still come that had arrived. */
  signal: AbortSignal;
}) => Promise<End>;

/** As much of a platform's `WebSocket` as is used here. */
export interface WebSocketLike {
  close(code?: number, reason?: string): void;
  // The platforms' classes differ in what they declare of their events.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  addEventListener(type: string, listener: (event: any) => void): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

/** Not allowed: the one close code after which coming back is of no use. */
const policyViolation = 1008;

/**
 * Pings are the platform's matter: a peer that goes shows by the connection's end. One that says nothing from the start
 * would be waited for by some platforms for minutes.
 */
export function webSocketTransport(WebSocket: WebSocketClass, silenceMs: number): Transport {
  return ({ url, bearer, onMessage, signal }) =>
    new Promise((resolve) => {
      const address = new URL(url.replace(/^http/, "ws"));
      if (bearer !== undefined) address.searchParams.set("token", bearer);
      const socket = new WebSocket(address.href);
      const end = (how: End) => {
        clearTimeout(silence);
        signal.removeEventListener("abort", close);
        resolve(how);
      };
      const close = () => {
        end({});
        socket.close();
      };
      const silence = setTimeout(close, silenceMs);
      signal.addEventListener("abort", close);
      socket.addEventListener("message", ({ data }: { data: unknown }) => {
        clearTimeout(silence);
        try {
          onMessage(JSON.parse(String(data)));
        } catch {
          close();
        }
      });
      // What went wrong is told by the close that follows.
      socket.addEventListener("error", () => {});
      socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) =>
        end({
          refused: code === policyViolation,
          // Its reason is one of Belfry's codes.
          error: new BelfryClientError(`The connection has ended (${code}).`, {
            code: reason || "unreachable",
          }),
        }),
      );
      if (signal.aborted) close();
    });
}

/** Server-sent events through `fetch`, which unlike an EventSource sends a header. */
export function eventStreamTransport(get: typeof fetch, silenceMs: number): Transport {
  return async ({ url, bearer, onMessage, signal }) => {
    const ending = new AbortController();
    const end = () => ending.abort();
    let timer = setTimeout(end, silenceMs);
    try {
      const response = await get(url, {
        headers: {
          accept: "text/event-stream",
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        },
        signal: AbortSignal.any([signal, ending.signal]),
      });
      if (!response.ok || !response.body) {
        const error = errorOf(response, await response.text());
        return { refused: error.isFinal, error };
      }
      const read = createEventReader(onMessage);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return {};
        // A comment is a sign of life, too.
        clearTimeout(timer);
        timer = setTimeout(end, silenceMs);
        read(value);
      }
    } catch (cause) {
      if (signal.aborted) return {};
      return {
        error: new BelfryClientError("The service cannot be reached.", { code: "unreachable", cause }),
      };
    } finally {
      clearTimeout(timer);
      // Also after an event that cannot be read, while the service goes on sending.
      end();
    }
  };
}

/** Takes a stream's text in pieces of any size. Each event of ours is one line of `data` (HTML, 9.2.6). */
function createEventReader(onMessage: (message: WireMessage) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) if (line.startsWith("data: ")) onMessage(JSON.parse(line.slice(6)));
  };
}
