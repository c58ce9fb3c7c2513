import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { BelfryError } from "../model/errors.ts";
import type { Receipt } from "../model/receipt.ts";
import { isMailguns, MailgunCallback, mailgunReceipt } from "./mailgun-callback.ts";
import { hex24 } from "./patterns.ts";
import { isTwilios, twilioReceipt } from "./twilio-callback.ts";

export interface CallbackPartners {
  /** Absent: the route returns 404. `publicUrl`: the URL that Twilio calls. */
  twilio?: { authToken: string; publicUrl: string };
  mailgun?: { signingKey: string };
  receive: (receipt: Receipt) => Promise<void>;
  /** False when the token was used before. */
  useToken: (token: string, now: number) => Promise<boolean>;
  returnToken: (token: string) => Promise<void>;
  now: () => number;
}

const form = "application/x-www-form-urlencoded";
const config = { public: true };

/** Reports from providers about messages that they accepted. Their signature replaces the API key. */
export async function callbackRoutes(app: FastifyInstance, partners: CallbackPartners): Promise<void> {
  const { twilio, mailgun } = partners;

  const mailgunSchema = {
    tags: ["callbacks"],
    summary: "Webhook for Mailgun",
    description:
      "Mailgun signs it with `MAILGUN_SIGNING_KEY`. A token is accepted once, within five minutes.",
    security: [],
    body: MailgunCallback,
    response: { 200: Type.Object({}) },
  };
  app.post<{ Body: MailgunCallback }>(
    "/v1/callbacks/mailgun",
    { schema: mailgunSchema, config },
    async (request) => {
      if (!mailgun) throw new BelfryError("not_found");
      const now = partners.now();
      const { token } = request.body.signature;
      if (!isMailguns(request.body, mailgun.signingKey, now)) throw new BelfryError("callback_refused");
      if (!(await partners.useToken(token, now))) throw new BelfryError("callback_refused");
      const receipt = mailgunReceipt(request.body);
      try {
        if (receipt) await partners.receive(receipt);
      } catch (error) {
        await partners.returnToken(token).catch(() => {});
        throw error;
      }
      return {};
    },
  );

  await app.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser(form, { parseAs: "string" }, (_request, body, done) =>
      done(null, new URLSearchParams(body as string)),
    );
    const schema = {
      tags: ["callbacks"],
      summary: "Status callback for Twilio",
      description: "Twilio signs `PUBLIC_URL`, path, query and form with `TWILIO_AUTH_TOKEN`.",
      security: [],
      consumes: [form],
      querystring: Type.Object({ delivery: Type.String({ pattern: hex24 }) }),
      response: { 204: Type.Null() },
    };
    own.post<{ Querystring: { delivery: string }; Body: URLSearchParams | undefined }>(
      "/v1/callbacks/twilio",
      { schema, config },
      async (request, reply) => {
        if (!twilio) throw new BelfryError("not_found");
        const parameters = request.body ?? new URLSearchParams();
        if (!isTwilios(request.headers, twilio.publicUrl + request.url, parameters, twilio.authToken))
          throw new BelfryError("callback_refused");
        const receipt = twilioReceipt(request.query.delivery.toLowerCase(), parameters);
        if (receipt) await partners.receive(receipt);
        return reply.code(204).send();
      },
    );
  });
}
