import type { FastifyInstance } from "fastify";
import { Type } from "typebox";

export interface HealthPartners {
  /** Rejects when MongoDB does not answer. */
  ping: () => Promise<unknown>;
  stopping: () => boolean;
  /** Each provider's health by channel and name, where this process sends. Times in Unix milliseconds. */
  providers?: () => Record<string, Record<string, PartState>>;
  /** By channel: how many deliveries this process has had in hand for longer than a send may take. */
  overdue?: () => Record<string, number>;
  /** RabbitMQ's, where it is used. */
  broker?: () => PartState;
  metrics: { contentType: string; text(): Promise<string> };
}

interface PartState {
  state: string;
  code?: string;
  text?: string;
  remedy?: string;
  since?: number;
  until?: number;
}

const Provider = Type.Object({
  state: Type.String({
    description: "`ok`, `open` (it fails and is probed) or `paused` (it refuses our configuration).",
  }),
  code: Type.Optional(Type.String({ description: "The code of its last answer." })),
  text: Type.Optional(Type.String({ description: "Its last answer, without addresses." })),
  remedy: Type.Optional(Type.String({ description: "What to do about it." })),
  since: Type.Optional(Type.String({ format: "date-time" })),
  until: Type.Optional(Type.String({ format: "date-time", description: "When it is tried again." })),
});
const Broker = Type.Object(
  {
    state: Type.String({ description: "connected, or away: then deliveries go by MongoDB alone" }),
    code: Type.Optional(Type.String({ description: "Its newest error." })),
    since: Type.Optional(Type.String({ format: "date-time" })),
  },
  { description: "RabbitMQ, with `?verbose`." },
);
const Status = Type.Object({
  status: Type.String(),
  checks: Type.Optional(Type.Record(Type.String(), Type.String())),
  providers: Type.Optional(
    Type.Record(Type.String(), Type.Record(Type.String(), Provider), {
      description: "By channel and name, with `?verbose`.",
    }),
  ),
  overdue: Type.Optional(
    Type.Record(Type.String(), Type.Integer(), {
      description:
        "With `?verbose`, by channel: deliveries in hand for longer than a send may take. Anything but 0 is a fault.",
    }),
  ),
  broker: Type.Optional(Broker),
});

/** `/livez`: the process turns. `/readyz`: it can do its work. `/metrics`: Prometheus. */
export function healthRoutes(app: FastifyInstance, partners: HealthPartners): void {
  const { ping, stopping, providers, overdue, broker, metrics } = partners;
  const schema = (summary: string) => ({
    tags: ["operate"],
    summary,
    response: { 200: Status, 503: Status },
    security: [],
  });
  app.get("/livez", { config: { public: true }, schema: schema("Is the process alive?") }, async () => ({
    status: "ok",
  }));

  app.get<{ Querystring: { verbose?: string } }>(
    "/readyz",
    { config: { public: true }, schema: schema("Can it take requests?") },
    async (request, reply) => {
      const mongodb = await ping().then(
        () => "ok",
        () => "unreachable",
      );
      const ready = mongodb === "ok" && !stopping();
      // A paused provider is no reason to send requests elsewhere: what it cannot take now is kept.
      return reply.code(ready ? 200 : 503).send({
        status: ready ? "ready" : stopping() ? "stopping" : "unavailable",
        checks: { mongodb },
        ...(request.query.verbose !== undefined && {
          ...(providers && { providers: mapValues(providers(), (one) => mapValues(one, onWire)) }),
          ...(overdue && { overdue: overdue() }),
          ...(broker && { broker: onWire(broker()) }),
        }),
      });
    },
  );

  app.get(
    "/metrics",
    { schema: { tags: ["operate"], summary: "Prometheus metrics" } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function onWire({ state, code, text, remedy, since, until }: PartState) {
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    state,
    ...(code !== undefined && { code }),
    ...(text !== undefined && { text }),
    ...(remedy !== undefined && { remedy }),
    ...(since !== undefined && { since: iso(since) }),
    ...(until !== undefined && { until: iso(until) }),
  };
}
