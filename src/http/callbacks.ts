import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type TSchema, Type } from "typebox";
import type { CallbackModule, CallbackReader } from "../channels/module.ts";
import type { Core } from "../core/core.ts";
import { BelfryError } from "../model/errors.ts";
import type { Store } from "../store/index.ts";

/** A provider's callback. `read`: absent while it is not configured, then the route returns 404. */
export type Callback = Omit<CallbackModule, "open"> & { provider: string; read?: CallbackReader | undefined };

const form = "application/x-www-form-urlencoded";
const replies: Record<Callback["status"], TSchema> = { 200: Type.Object({}), 204: Type.Null() };

/** Reports from providers about messages that they accepted. Their signature replaces the API key. */
export async function callbackRoutes(
  app: FastifyInstance,
  callbacks: Callback[],
  { receive }: Pick<Core, "receive">,
  { receipts, now }: Pick<Store, "receipts" | "now">,
): Promise<void> {
  for (const callback of callbacks) {
    if (callback.body) route(app, callback);
    else
      await app.register(async (own) => {
        own.removeAllContentTypeParsers();
        own.addContentTypeParser(form, { parseAs: "string" }, (_request, body, done) =>
          done(null, new URLSearchParams(body as string)),
        );
        route(own, callback);
      });
  }

  function route(own: FastifyInstance, { provider, read, status, ...about }: Callback): void {
    const { summary, description, querystring, body } = about;
    const schema = {
      tags: ["callbacks"],
      summary,
      description,
      security: [],
      ...(querystring && { querystring }),
      ...(body ? { body } : { consumes: [form] }),
      response: { [status]: replies[status] },
    };
    own.post(
      `/v1/callbacks/${provider}`,
      { schema, config: { public: true } },
      async (request: FastifyRequest, reply: FastifyReply) => {
        if (!read) throw new BelfryError("not_found");
        const { headers, url, query } = request;
        const at = now();
        const reading = read({ headers, url, query, body: request.body ?? new URLSearchParams(), now: at });
        if (!reading) throw new BelfryError("callback_refused");
        const { token, receipt } = reading;
        if (token !== undefined && !(await receipts.useToken(token, at)))
          throw new BelfryError("callback_refused");
        try {
          if (receipt) await receive(receipt);
        } catch (error) {
          if (token !== undefined) await receipts.returnToken(token).catch(() => {});
          throw error;
        }
        return reply.code(status).send(status === 204 ? undefined : {});
      },
    );
  }
}
