import type { Credentials } from "../../src/client/credentials.ts";
import { addressOf } from "../../src/client/request.ts";

/** A page that may not listen, such as the one that a mail links to, is not asked for ever. */
const mostRefusals = 3;
const pauseMs = 5_000;

/**
 * Calls `onRev` with the rev of the preferences, whenever the user's state changes. The browser reconnects a lost stream by
 * itself; a refused one is opened again with another token.
 */
export function followPreferences(
  server: string,
  user: string,
  credentials: Credentials,
  onRev: (rev: number) => void,
): () => void {
  let events: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let refusals = 0;
  let isClosed = false;

  async function open(): Promise<void> {
    const bearer = await credentials.current().catch(() => undefined);
    if (isClosed) return;
    const path = `/v1/users/${encodeURIComponent(user)}/events`;
    events = new EventSource(addressOf(server, { path, query: { token: bearer } }));
    const take = ({ data }: MessageEvent<string>) => {
      refusals = 0;
      onRev(JSON.parse(data).preferences_rev);
    };
    for (const type of ["state", "changes", "resync"]) events.addEventListener(type, take);
    events.onerror = () => {
      if (events?.readyState !== EventSource.CLOSED || ++refusals > mostRefusals) return;
      timer = setTimeout(async () => {
        await credentials.renew(bearer).catch(() => false);
        void open();
      }, pauseMs);
    };
  }
  void open();
  return () => {
    isClosed = true;
    clearTimeout(timer);
    events?.close();
  };
}
