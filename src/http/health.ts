import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { Engine } from "../delivery/engine.ts";
import type { Metrics } from "../metrics.ts";
import type { Queue } from "../queue/rabbitmq.ts";
import type { Store } from "../store/index.ts";

export interface HealthParts {
  store: Pick<Store, "ping"> & { migrations: Pick<Store["migrations"], "pending"> };
  stopping: () => boolean;
  /** The delivery engine, in a process that sends. */
  engine?: Engine | undefined;
  /** RabbitMQ, if it is used. */
  queue?: Queue | undefined;
  metrics: { contentType: string; text: Metrics["text"] };
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
    description:
      "`ok`, `open` (it fails; Belfry checks it at intervals) or `paused` (it refuses the configuration).",
  }),
  code: Type.Optional(Type.String({ description: "The code of the provider's last answer." })),
  text: Type.Optional(Type.String({ description: "The provider's last answer, without addresses." })),
  remedy: Type.Optional(Type.String({ description: "What to do." })),
  since: Type.Optional(Type.String({ format: "date-time" })),
  until: Type.Optional(Type.String({ format: "date-time", description: "When Belfry tries it again." })),
});
const Broker = Type.Object(
  {
    state: Type.String({
      description: "`connected` or `away`. While it is away, workers find deliveries in MongoDB.",
    }),
    code: Type.Optional(Type.String({ description: "The code of the newest error." })),
    since: Type.Optional(Type.String({ format: "date-time" })),
  },
  { description: "RabbitMQ, with `?verbose`." },
);
const Migration = Type.Object({
  name: Type.String(),
  state: Type.String({
    description: "`waiting`, `running` (perhaps in another process) or `failed` (Belfry retries it).",
  }),
  done: Type.Integer(),
  total: Type.Optional(Type.Integer()),
  error: Type.Optional(Type.String()),
  remedy: Type.Optional(Type.String({ description: "What to do." })),
});
const Status = Type.Object(
  {
    status: Type.String({ description: "`ready`, `migrating`, `stopping` or `unavailable`." }),
    checks: Type.Optional(Type.Record(Type.String(), Type.String())),
    providers: Type.Optional(
      Type.Record(Type.String(), Type.Record(Type.String(), Provider), {
        description: "Providers by channel and name, with `?verbose`.",
      }),
    ),
    overdue: Type.Optional(
      Type.Record(Type.String(), Type.Integer(), {
        description:
          "Deliveries by channel that this process has been sending for too long, with `?verbose`. Any value but 0 is a fault.",
      }),
    ),
    broker: Type.Optional(Broker),
    migrations: Type.Optional(
      Type.Array(Migration, { description: "Changes of what is stored that are not done, with `?verbose`." }),
    ),
  },
  { title: "Readiness" },
);

/** `/livez`: the process is alive. `/readyz`: it can take requests. `/metrics`: for Prometheus. */
export function healthRoutes(
  app: FastifyInstance,
  { store, stopping, engine, queue, metrics }: HealthParts,
): void {
  const schema = (summary: string) => ({
    tags: ["operate"],
    summary,
    response: { 200: Status, 503: Status },
    security: [],
  });
  app.get(
    "/livez",
    { config: { public: true }, schema: schema("Check whether the process is alive") },
    async () => ({
      status: "ok",
    }),
  );

  app.get<{ Querystring: { verbose?: string } }>(
    "/readyz",
    { config: { public: true }, schema: schema("Check whether the service can take requests") },
    async (request, reply) => {
      const mongodb = await store.ping().then(
        () => "ok",
        () => "unreachable",
      );
      const migrations = store.migrations.pending();
      const status = stopping()
        ? "stopping"
        : mongodb !== "ok"
          ? "unavailable"
          : migrations.length > 0
            ? "migrating"
            : "ready";
      // A paused provider does not affect readiness: its deliveries are stored and sent later.
      return reply.code(status === "ready" ? 200 : 503).send({
        status,
        checks: { mongodb, migrations: migrations.length > 0 ? "pending" : "ok" },
        ...(request.query.verbose !== undefined && {
          ...(engine && {
            providers: mapValues(engine.health(), (one) => mapValues(one, onWire)),
            overdue: engine.overdue(),
          }),
          ...(migrations.length > 0 && { migrations }),
          ...(queue && { broker: onWire(queue.state()) }),
        }),
      });
    },
  );

  app.get(
    "/metrics",
    { schema: { tags: ["operate"], summary: "Metrics for Prometheus" } },
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
