import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** What the client saw of one create; without a status the connection ended before an answer. */
export interface Answer {
  status: number | undefined;
  retryAfter: string | undefined;
  /** Unix milliseconds. */
  begun: number;
  ms: number;
}

export interface Callers {
  /** By the number that each notification carries; no number is asked for twice. */
  answers: Map<number, Answer>;
  acknowledged(): number;
  /** No more than so many are to be acknowledged until this is raised. */
  holdAt(count: number): void;
  stop(): void;
  done: Promise<void>;
}

const patienceMs = 30_000;

/**
 * Callers of `POST /create`: so many at once, until `creates` are acknowledged or they are stopped. They never repeat a
 * create, and wait as long as a `Retry-After` says.
 *
 * `urls`: where the service can be asked now. `perSecond`: how many begin at most.
 */
export function startCallers(options: {
  urls: () => string[];
  people: string[];
  creates: number;
  inFlight: number;
  perSecond?: number;
}): Callers {
  const { urls, people, creates, inFlight, perSecond } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const answers = new Map<number, Answer>();
  let next = 0;
  let open = 0;
  let acknowledged = 0;
  let held = Number.POSITIVE_INFINITY;
  let stopped = false;
  const began = Date.now();

  async function caller(): Promise<void> {
    while (!stopped && acknowledged + open < creates) {
      const [url] = urls().toSorted(() => Math.random() - 0.5);
      const early = perSecond === undefined ? 0 : began + (next * 1000) / perSecond - Date.now();
      if (url === undefined || acknowledged + open >= held || early > 0) {
        await pause(Math.min(Math.max(early, 5), 50));
        continue;
      }
      const n = next++;
      open++;
      const answer = await create(url, { user_id: people[n % people.length], key: "new_login", data: { n } });
      open--;
      answers.set(n, answer);
      if (answer.status === 201) acknowledged++;
      if (answer.status === 503 && !stopped) await pause(Number(answer.retryAfter ?? 0) * 1000);
    }
  }

  function create(url: string, body: object): Promise<Answer> {
    const begun = Date.now();
    return new Promise((resolve) => {
      const end = (status?: number, retryAfter?: string) =>
        resolve({ status, retryAfter, begun, ms: Date.now() - begun });
      const asked = request(`${url}/create`, {
        method: "POST",
        agent,
        timeout: patienceMs,
        headers: { "content-type": "application/json" },
      });
      asked.on("response", (response) => {
        response.resume();
        // A status line whose body never comes is not an answer.
        response.on("close", () =>
          response.complete ? end(response.statusCode, response.headers["retry-after"]) : end(),
        );
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => end());
      asked.end(JSON.stringify(body));
    });
  }

  const done = Promise.all(Array.from({ length: inFlight }, caller)).then(() => agent.destroy());
  return {
    answers,
    acknowledged: () => acknowledged,
    holdAt(count) {
      held = count;
    },
    stop() {
      stopped = true;
    },
    done,
  };
}
