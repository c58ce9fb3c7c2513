import type { Config } from "../config/table.ts";
import { type Finding, providerWords } from "./finding.ts";
import { watched } from "./terminal.ts";

const patienceMs = 3_000;

interface Readiness {
  status: string;
  checks: { mongodb?: string };
  providers?: Record<
    string,
    Record<string, { state: string; code?: string; text?: string; remedy?: string }>
  >;
  overdue?: Record<string, number>;
  broker?: { state: string; code?: string };
}

/** Asks the service at the configured address how it is. */
export async function* examineService(config: Config): AsyncGenerator<Finding> {
  const what = "service";
  const url = addressOf(config);
  const found = await watched("asking the service", ask(url)).catch((error: Error) => error);
  if (found === undefined) {
    yield {
      verdict: "bad",
      what,
      text: `another program answers at ${url}`,
      advice: "Stop that program, or set PORT to a free port.",
    };
    return;
  }
  if (found instanceof Error) {
    yield {
      verdict: "note",
      what,
      text: `no service answers at ${url}`,
      advice: "Start it with `npm start` or `belfry start`. If it runs elsewhere, run doctor there.",
    };
    return;
  }
  const { status, checks, providers = {}, overdue = {}, broker } = found;
  yield status === "ready"
    ? { verdict: "ok", what, text: `answers at ${url}, and is ready` }
    : {
        verdict: "bad",
        what,
        text: `answers at ${url}, and is not ready: ${status}${checks.mongodb ? `, MongoDB ${checks.mongodb}` : ""}`,
        advice: "GET /readyz?verbose and the log of the service show more.",
      };
  for (const [channel, all] of Object.entries(providers))
    for (const [name, { state, code, text, remedy }] of Object.entries(all))
      if (state !== "ok")
        yield {
          verdict: "bad",
          what: `${channel}: ${name}`,
          text: `${state === "paused" ? "paused by" : "failing in"} the service: ${providerWords(code, text)}`,
          ...(remedy && { advice: remedy }),
        };
  for (const [channel, count] of Object.entries(overdue))
    if (count > 0)
      yield {
        verdict: "bad",
        what: channel,
        text: `${count} deliveries are being sent for longer than a send may take`,
        advice: "See the log of the service. A restart sends them again.",
      };
  if (broker && broker.state !== "connected")
    yield {
      verdict: "note",
      what: "RabbitMQ",
      text: `the service has no connection to it${broker.code ? ` (${broker.code})` : ""}`,
      advice: "Nothing is lost: workers find deliveries in MongoDB meanwhile.",
    };
}

/** Undefined when what answers is not Belfry. Rejects when nothing answers. */
async function ask(url: string): Promise<Readiness | undefined> {
  const response = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(patienceMs) });
  const body = (await response.json().catch(() => undefined)) as Partial<Readiness> | undefined;
  return body?.status && body.checks ? (body as Readiness) : undefined;
}

/** A service that listens on all addresses is asked on loopback. */
function addressOf({ HOST, PORT }: Config): string {
  const host =
    HOST === "0.0.0.0" ? "127.0.0.1" : HOST === "::" ? "[::1]" : HOST.includes(":") ? `[${HOST}]` : HOST;
  return `http://${host}:${PORT}`;
}
