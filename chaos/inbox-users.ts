import { setTimeout as pause } from "node:timers/promises";
import type { InboxItemDto } from "../src/model/inbox-dto.ts";
import { oneOf } from "./random.ts";

/** People who are notified and use their inboxes, through whichever instance. */
export interface InboxUsers {
  /** Changes that were acknowledged and were some. */
  made(): number;
  /** No more than so many are to be made until this is raised. */
  holdAt(count: number): void;
  /** Answered with 503; and not at all, since the connection ended before. */
  refused(): number;
  unanswered(): number;
  /** Answers that should not be. */
  problems: string[];
  stop(): void;
  done: Promise<void>;
}

interface Change {
  what: "create" | "read" | "unread" | "archive" | "unarchive" | "delete" | "read-all" | "seen";
  /** Of a hundred. */
  share: number;
  /** Which items can be changed so. */
  able?: (item: InboxItemDto) => boolean;
}

const hundred = (
  [
    { share: 45, what: "create" },
    { share: 16, what: "read", able: (item) => !item.read },
    { share: 7, what: "unread", able: (item) => item.read },
    { share: 10, what: "archive", able: (item) => !item.archived },
    { share: 3, what: "unarchive", able: (item) => item.archived },
    { share: 14, what: "delete" },
    { share: 3, what: "seen" },
    { share: 2, what: "read-all" },
  ] satisfies Change[] as Change[]
).flatMap((one) => Array.from({ length: one.share }, () => one));

const inFlight = 16;

/**
 * Changes inboxes until so many changes are made. `itemsOf`: what one of the user's devices shows, perhaps out of date;
 * `perSecond`: how many begin at most.
 */
export function startInboxUsers(options: {
  urls: () => string[];
  users: string[];
  itemsOf: (user: string) => InboxItemDto[];
  changes: number;
  perSecond: number;
}): InboxUsers {
  const { urls, users, itemsOf, changes, perSecond } = options;
  const problems: string[] = [];
  const began = Date.now();
  let [begun, made, open, refused, unanswered] = [0, 0, 0, 0, 0];
  let held = Number.POSITIVE_INFINITY;
  let stopped = false;

  async function someone(): Promise<void> {
    while (!stopped && made + open < changes) {
      const [url] = urls().toSorted(() => Math.random() - 0.5);
      const early = began + (begun * 1_000) / perSecond - Date.now();
      if (url === undefined || made + open >= held || early > 0) {
        await pause(Math.min(Math.max(early, 5), 50));
        continue;
      }
      open++;
      begun++;
      const answer = await change(url).catch(() => {
        unanswered++;
      });
      open--;
      if (answer) await take(answer);
    }
  }

  async function take({ status, headers, body }: Answer): Promise<void> {
    // Its device had not heard yet that the item is gone, or is so already.
    if (status === 404) return;
    // 207: one of the two was.
    if (status === 503 || status === 207) {
      refused++;
      await pause(Number(headers.get("retry-after")) * 1_000);
    } else if (status !== 200 && status !== 201)
      problems.push(`a change was answered with ${status}: ${JSON.stringify(body)}`);
    else if (body.changed !== 0 && (!body.item || body.item.rev === body.rev)) made++;
  }

  async function change(url: string): Promise<Answer | undefined> {
    const user = oneOf(users, Math.random);
    const path = `/v1/users/${user}/inbox`;
    const { what, able = () => true } = oneOf(hundred, Math.random);
    if (what === "create") return create(url, user);
    if (what === "read-all") return ask(url, "POST", `${path}/read-all`, {});
    if (what === "seen") {
      // It changes no item, so it does not count.
      await ask(url, "POST", `${path}/seen`, {});
      return undefined;
    }
    const items = itemsOf(user).filter(able);
    if (items.length === 0) return undefined;
    const item = `${path}/${oneOf(items, Math.random).id}`;
    return what === "delete" ? ask(url, "DELETE", item) : ask(url, "POST", `${item}/${what}`);
  }

  /** Alone, with a mail (so in a transaction), or for several people; now and then a long one. */
  function create(url: string, user: string): Promise<Answer> {
    const data = begun % 10 === 0 ? { text: "x".repeat(6_000) } : {};
    if (begun % 3 === 0) return ask(url, "POST", "/create", { user_id: user, key: "new_login", data });
    const other = oneOf(users, Math.random);
    return notify(url, begun % 3 === 1 || other === user ? [user] : [user, other], data);
  }

  const done = Promise.all(Array.from({ length: inFlight }, someone)).then(() => {});
  return {
    made: () => made,
    holdAt(count) {
      held = count;
    },
    refused: () => refused,
    unanswered: () => unanswered,
    problems,
    stop() {
      stopped = true;
    },
    done,
  };
}

interface Answer {
  status: number;
  headers: Headers;
  body: { rev?: number; item?: InboxItemDto; changed?: number };
}

export const notify = (url: string, recipients: string[], data = {}): Promise<Answer> =>
  ask(url, "POST", "/v1/notifications", { recipients, type: "new_message", data });

/** Rejects when the connection ends before an answer. */
async function ask(url: string, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(url + path, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer["body"] };
}
