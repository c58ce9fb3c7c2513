import { createHmac, timingSafeEqual } from "node:crypto";
import { type Static, Type } from "typebox";
import type { Receipt } from "../../model/receipt.ts";
import type { CallbackModule } from "../module.ts";

/** Only what the signature covers is held to a shape; of the event, which Mailgun extends at will, we read what we know. */
export const MailgunCallback = Type.Object({
  signature: Type.Object({
    timestamp: Type.String({ pattern: "^\\d{1,12}$", description: "Unix seconds." }),
    token: Type.String({ minLength: 1, maxLength: 200 }),
    signature: Type.String({ maxLength: 200, description: "HMAC-SHA256, hex." }),
  }),
  "event-data": Type.Object({ event: Type.String({ maxLength: 100 }) }),
});
export type MailgunCallback = Static<typeof MailgunCallback>;

const longestAgeMs = 5 * 60_000;

/** Whether Mailgun signed this, less than five minutes from now. The body is not signed: a token must count only once. */
export function isMailguns(
  { signature: { timestamp, token, signature } }: MailgunCallback,
  key: string,
  now: number,
): boolean {
  const expected = Buffer.from(
    createHmac("sha256", key)
      .update(timestamp + token)
      .digest("hex"),
  );
  const given = Buffer.from(signature);
  const genuine = given.length === expected.length && timingSafeEqual(given, expected);
  return genuine && Math.abs(now - Number(timestamp) * 1_000) <= longestAgeMs;
}

export const mailgunCallback = {
  summary: "Webhook for Mailgun",
  description: "Mailgun signs it with `MAILGUN_SIGNING_KEY`. A token is accepted once, within five minutes.",
  body: MailgunCallback,
  status: 200,
  open({ MAILGUN_SIGNING_KEY: key }: { MAILGUN_SIGNING_KEY: string | undefined }) {
    if (key === undefined) return undefined;
    return ({ body, now }) => {
      const call = body as MailgunCallback;
      return isMailguns(call, key, now)
        ? { token: call.signature.token, receipt: mailgunReceipt(call) }
        : undefined;
    };
  },
} satisfies CallbackModule;

/** RFC 3463: no such mailbox or domain, or it is closed. */
const badAddress = /\b5\.(1\.[1236]|2\.1)\b/;

/** An event of the webhook; undefined when it says nothing that we keep, or of a mail that is not ours. */
export function mailgunReceipt({ "event-data": data }: MailgunCallback): Receipt | undefined {
  const messageId = textAt(data, "message", "headers", "message-id");
  // The Message-ID is ours too; the variable is missing when a relay on the way has dropped it.
  const delivery = textAt(data, "user-variables", "delivery_id") ?? messageId?.split("@")[0] ?? "";
  if (!/^[0-9a-f]{24}$/.test(delivery)) return undefined;
  const address = textAt(data, "recipient");
  const seconds = Number(textAt(data, "timestamp"));
  const base = {
    delivery,
    channel: "email",
    ...(messageId && { providerId: messageId }),
    ...(seconds > 0 && { at: seconds * 1_000 }),
  } as const;
  const optOut = address === undefined ? {} : { suppress: { address, reason: "opt_out" as const } };
  switch (data.event) {
    case "delivered":
      return { ...base, outcome: { state: "delivered" } };
    case "unsubscribed":
    case "complained":
      return { ...base, ...optOut };
    case "rejected":
      return { ...base, outcome: failed("undelivered", textAt(data, "reject", "reason") ?? "rejected") };
    case "failed":
      return textAt(data, "severity") === "permanent" ? permanent() : undefined;
    default:
      return undefined;
  }

  function permanent(): Receipt {
    const why = textAt(data, "reason") ?? "";
    const status = ["code", "enhanced-code", "message", "description"]
      .map((name) => textAt(data, "delivery-status", name))
      .filter(Boolean)
      .join(" ");
    const detail = `${why} ${status}`;
    if (why === "suppress-unsubscribe" || why === "suppress-complaint")
      return { ...base, outcome: failed("opt_out", detail), ...optOut };
    const bad = why === "suppress-bounce" || badAddress.test(status);
    return {
      ...base,
      outcome: failed("bounced", detail),
      ...(bad && address !== undefined && { suppress: { address, reason: "bounced" } }),
    };
  }
}

const failed = (reason: "bounced" | "opt_out" | "undelivered", detail: string) =>
  ({ state: "failed", reason, detail: `Mailgun: ${detail}`.trim().slice(0, 500) }) as const;

/** A text or number somewhere in JSON that may have any shape. */
function textAt(value: unknown, ...path: string[]): string | undefined {
  let at = value;
  for (const key of path)
    at = typeof at === "object" && at !== null ? (at as Record<string, unknown>)[key] : undefined;
  return typeof at === "string" || typeof at === "number" ? String(at) : undefined;
}
