import { Agent } from "node:http";
import { isMessagingService } from "../../model/phone.ts";
import type { Provider } from "../../model/provider.ts";
import { answerWithin } from "../http-answer.ts";
import { type TwilioFailure, twilioOutcome } from "./twilio-outcome.ts";

export interface TwilioOptions {
  /** The account's, `AC…`. */
  sid: string;
  authToken: string;
  /** A number, short code or sender name; or a Messaging Service, `MG…`. */
  from: string;
  baseUrl: string;
  /** Twilio drops a text that it could not hand over for so long. */
  validitySeconds: number;
  /** Where Twilio reports what became of a delivery. */
  statusCallback?: ((deliveryId: string) => string) | undefined;
  timeoutMs: number;
  /** Open connections at most. */
  connections: number;
}

const maxAnswerBytes = 64 * 1024;

/** SMS through Twilio's API. The library is loaded by the process that needs it. */
export async function createTwilioProvider(options: TwilioOptions): Promise<Provider<"sms">> {
  const { from, validitySeconds, statusCallback, timeoutMs } = options;
  const { default: twilio } = await import("twilio");
  const http = new twilio.RequestClient({ timeout: timeoutMs, maxSockets: options.connections });
  // Its own pool is for https alone; over http the process-wide one would outlive a close, and has no bound.
  const plain = new Agent({ keepAlive: true, maxSockets: options.connections });
  http.axios.defaults.httpAgent = plain;
  // The SDK knows no other host than twilio.com's, and nobody here decides about retries but the engine.
  http.axios.interceptors.request.use((request) => {
    const { pathname, search } = new URL(request.url as string);
    return Object.assign(request, {
      url: `${options.baseUrl}${pathname}${search}`,
      signal: AbortSignal.timeout(timeoutMs),
      maxContentLength: maxAnswerBytes,
    });
  });
  const { messages } = twilio(options.sid, options.authToken, { httpClient: http });

  return {
    name: "twilio",
    channel: "sms",
    async send({ id, to, text }) {
      const sending = messages.create({
        ...(isMessagingService(from) ? { messagingServiceSid: from } : { from }),
        to,
        body: text,
        validityPeriod: validitySeconds,
        ...(statusCallback && { statusCallback: statusCallback(id) }),
      });
      const { sid, status } = await answerWithin(timeoutMs, sending, (error) =>
        twilioOutcome(error as TwilioFailure),
      );
      return { ...(typeof sid === "string" && { providerId: sid }), ...(status && { text: String(status) }) };
    },
    async close() {
      http.axios.defaults.httpsAgent?.destroy();
      plain.destroy();
    },
  };
}
