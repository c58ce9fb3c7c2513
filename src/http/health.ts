import type { FastifyInstance } from "fastify";
import { Type } from "typebox";

export interface HealthPartners {
  /** Rejects when MongoDB does not answer. */
  ping: () => Promise<unknown>;
  stopping: () => boolean;
  metrics: { contentType: string; text(): Promise<string> };
}

const Status = Type.Object({
  status: Type.String(),
  checks: Type.Optional(Type.Record(Type.String(), Type.String())),
});

/** `/livez`: the process turns. `/readyz`: it can do its work. `/metrics`: Prometheus. */
export function healthRoutes(app: FastifyInstance, { ping, stopping, metrics }: HealthPartners): void {
  const schema = (summary: string) => ({
    tags: ["operate"],
    summary,
    response: { 200: Status, 503: Status },
    security: [],
  });
  app.get("/livez", { config: { public: true }, schema: schema("Is the process alive?") }, async () => ({
    status: "ok",
  }));

  app.get(
    "/readyz",
    { config: { public: true }, schema: schema("Can it take requests?") },
    async (_request, reply) => {
      const mongodb = await ping().then(
        () => "ok",
        () => "unreachable",
      );
      const ready = mongodb === "ok" && !stopping();
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? "ready" : stopping() ? "stopping" : "unavailable", checks: { mongodb } });
    },
  );

  app.get(
    "/metrics",
    { schema: { tags: ["operate"], summary: "Prometheus metrics" } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
