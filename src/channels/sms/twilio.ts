import { SendError } from "../../model/delivery.ts";
import { isMessagingService } from "../../model/phone.ts";
import type { Provider } from "../../model/provider.ts";
import { postForm } from "../http-answer.ts";
import { twilioOutcome } from "./twilio-outcome.ts";

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
}

/** SMS through Twilio's API. */
export function createTwilioProvider(options: TwilioOptions): Provider<"sms"> {
  const { sid, from, statusCallback } = options;

  return {
    name: "twilio",
    channel: "sms",
    async send({ id, to, text }, signal) {
      const answer = await postForm({
        url: `${options.baseUrl}/2010-04-01/Accounts/${sid}/Messages.json`,
        user: sid,
        password: options.authToken,
        form: {
          ...(isMessagingService(from) ? { MessagingServiceSid: from } : { From: from }),
          To: to,
          Body: text,
          ValidityPeriod: String(options.validitySeconds),
          ...(statusCallback && { StatusCallback: statusCallback(id) }),
        },
        timeoutMs: options.timeoutMs,
        signal,
        variable: "TWILIO_BASE_URL",
      });
      const { status, json } = answer;
      if (status < 200 || status > 299) throw new SendError(twilioOutcome(answer));
      return {
        ...(typeof json.sid === "string" && { providerId: json.sid }),
        ...(json.status !== undefined && { text: String(json.status) }),
      };
    },
    async close() {},
  };
}
