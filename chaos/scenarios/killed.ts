import { eventually } from "../../test/support/eventually.ts";
import { untilQuiet } from "../audit.ts";
import { oneOf } from "../random.ts";
import { concurrency, drainSeconds, onStage, type Result, type Stage, type StageOptions } from "../stage.ts";
import { redrivePoison } from "./kills.ts";

const each = 2;
const leaseMs = 2_000;
/** A request whose process is killed is repeated. */
const patienceSeconds = 60;

/** Kills at random moments, until so many deliveries are made and as many mails are sent. */
export type Kill = (told: number, random: () => number) => Promise<void>;

/** Plays while `kill` kills an API or a worker, `count` times, and starts it again. */
export function killed(
  options: Pick<StageOptions, "scenario" | "place" | "email" | "audit">,
  count: number,
  play: (stage: Stage, kill: Kill) => Promise<{ played: string; problems: string[] }>,
): Promise<Result> {
  return onStage(
    {
      ...options,
      mayBe: [],
      variables: () => ({ LEASE_MS: String(leaseMs) }),
    },
    async (stage) => {
      const { fleet, db, sink, fault } = stage;
      await Promise.all([fleet.add("api", each), fleet.add("worker", each)]);
      let workers = 0;
      const kill: Kill = async (told, random) => {
        const moments = Array.from({ length: count }, () => random() * 2 * told).toSorted((a, b) => a - b);
        for (const moment of moments) {
          const reached = async () =>
            (await db.collection("deliveries").estimatedDocumentCount()) + sink.mails.length >= moment;
          await eventually(reached, "it goes on", drainSeconds);
          const victim = oneOf(fleet.members, random);
          fault(victim.role);
          if (victim.role === "worker") workers++;
          await victim.kill();
          await victim.start();
        }
      };
      const said = await play(stage, kill);
      await untilQuiet(db, drainSeconds);
      const givenUp = await redrivePoison(fleet.urls()[0] as string);
      return {
        ...said,
        played: `${said.played}, ${each} APIs, ${each} workers: ${count - workers} kills of an API, ${workers} of a worker`,
        duplicatesAllowed: workers * concurrency,
        notes: givenUp > 0 ? [`${givenUp} deliveries were given up as poison and redriven.`] : [],
      };
    },
  );
}

/** Asks any process that is up, again when it was killed meanwhile. */
export function ask<Answer>(
  urls: () => string[],
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return eventually(
    async () => {
      const [url] = urls().toSorted(() => Math.random() - 0.5);
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body && {
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify(body),
        }),
      }).catch(() => undefined);
      // 503, or 409: the same request is still under way.
      if (!response || response.headers.has("retry-after")) return undefined;
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      return response.json() as Promise<Answer>;
    },
    `${method} ${path} is answered`,
    patienceSeconds,
  );
}
