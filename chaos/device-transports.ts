import { io } from "socket.io-client";
import { WebSocket } from "ws";
import type { WireMessage } from "../src/model/inbox-dto.ts";

export interface Connection {
  /** Resolves when it has ended, for whatever reason. */
  ended: Promise<unknown>;
  /** Destroys the socket, without a word. */
  drop(): void;
}

export interface Opening {
  url: string;
  user: string;
  rev: number;
  /** What a browser's EventSource keeps: the `rev` of its address, and the id of the last event. */
  loaded: number;
  lastEventId: string | undefined;
  hear: (message: WireMessage, id?: string) => void;
}

export const transports = {
  websocket({ url, user, rev, hear }: Opening): Connection {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/users/${user}/live?rev=${rev}`);
    socket.on("message", (data) => hear(JSON.parse(String(data))));
    socket.on("error", () => {});
    return {
      ended: new Promise((resolve) => socket.on("close", resolve)),
      drop: () => socket.terminate(),
    };
  },
  "socket.io"({ url, user, rev, hear }: Opening): Connection {
    const socket = io(url, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      auth: { user_id: user, rev },
    });
    for (const type of ["state", "changes", "resync", "bye"]) socket.on(type, (message) => hear(message));
    return {
      ended: new Promise((resolve) => socket.on("disconnect", resolve).on("connect_error", resolve)),
      drop: () => (socket.io.engine.transport as unknown as { ws: WebSocket }).ws.terminate(),
    };
  },
  events({ url, user, loaded, lastEventId, hear }: Opening): Connection {
    const end = new AbortController();
    async function listen(): Promise<void> {
      const { body, status } = await fetch(`${url}/v1/users/${user}/events?rev=${loaded}`, {
        headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId },
        signal: end.signal,
      });
      if (status !== 200 || !body) return;
      let text = "";
      for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + chunk).split("\n\n");
        text = blocks.pop() as string;
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data !== undefined) hear(JSON.parse(data), /^id: (.*)$/m.exec(block)?.[1]);
        }
      }
    }
    return { ended: listen().catch(() => {}), drop: () => end.abort() };
  },
};

export type TransportName = keyof typeof transports;
export const transportNames = Object.keys(transports) as TransportName[];
