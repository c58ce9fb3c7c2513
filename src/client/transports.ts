import type { WireMessage } from "../model/inbox-dto.ts";
import { BelfryClientError, errorOf } from "./error.ts";

/** How a connection ended. */
export interface End {
  /** The service refuses this token. */
  refused?: boolean;
  error?: BelfryClientError;
}

/** Resolves when the connection has ended. */
export type Transport = (connection: {
  url: string;
  bearer: string | undefined;
  onMessage: (message: WireMessage) => void;
  /** Ends the connection. A message that had already arrived may still be delivered. */
  signal: AbortSignal;
}) => Promise<End>;

/** The parts of the platform's `WebSocket` that are used here. */
export interface WebSocketLike {
  close(code?: number, reason?: string): void;
  // The platforms declare different event types.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  addEventListener(type: string, listener: (event: any) => void): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

/** The one close code after which reconnecting is useless. */
const policyViolation = 1008;

/**
 * The platform answers pings, and a lost peer shows as the end of the connection. The time limit is for a peer that is silent
 * from the start: some platforms would wait for minutes.
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
      // The `close` event that follows has the reason.
      socket.addEventListener("error", () => {});
      socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) =>
        end({
          refused: code === policyViolation,
          // The reason is one of Belfry's error codes.
          error: new BelfryClientError(`The connection ended (close code ${code}).`, {
            code: reason || "unreachable",
          }),
        }),
      );
      if (signal.aborted) close();
    });
}

/** Server-sent events through `fetch`, which unlike EventSource can send headers. */
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
        // Heartbeat comments count as well.
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
      // Also after an unreadable event, while the service is still sending.
      end();
    }
  };
}

/** Reads a stream in chunks of any size. Each of our events is one `data` line (HTML, 9.2.6). */
function createEventReader(onMessage: (message: WireMessage) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) if (line.startsWith("data: ")) onMessage(JSON.parse(line.slice(6)));
  };
}
