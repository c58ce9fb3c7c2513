import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { userId } from "../data.ts";

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** `POST /create` of a notification, by default a message, that carries the number; resolves when it is stored. */
export function create(
  url: string,
  user: number,
  data: { n: number; text?: string },
  key = "new_message",
): Promise<void> {
  const body = JSON.stringify({ user_id: userId(user), key, data });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    request(`${url}/create`, { method: "POST", agent, headers }, (response) => {
      response.resume();
      if (response.statusCode === 201) resolve();
      else reject(new Error(`a create was answered with ${response.statusCode}`));
    })
      .on("error", reject)
      .end(body);
  });
}

/** Acts `count` times, `rate` times a second, whether or not what was begun earlier has ended; then waits for all of it. */
export async function atRate(
  rate: number,
  count: number,
  act: (n: number) => Promise<void> | void,
): Promise<void> {
  const began = performance.now();
  const acts: Array<Promise<void> | void> = [];
  while (acts.length < count) {
    const due = Math.min(count, 1 + ((performance.now() - began) * rate) / 1000);
    while (acts.length < due) acts.push(act(acts.length));
    await sleep(1);
  }
  await Promise.all(acts);
}

/** Waits for what must come; longer than 15 s is a defect. */
export async function until(check: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!check()) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what()}`);
    await sleep(1);
  }
}
