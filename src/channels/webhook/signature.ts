import { createHmac, randomBytes } from "node:crypto";

/**
 * A Standard Webhooks 1.0.0 secret: `whsec_` and the base64 of 24 to 64 bytes. Answers with the key, or undefined for
 * anything else: a user's document may hold whatever its owner has put there.
 */
export function webhookKey(secret: unknown): Buffer | undefined {
  if (typeof secret !== "string" || secret.length > 100) return undefined;
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  if (text === undefined) return undefined;
  const key = Buffer.from(text, "base64");
  // Node reads base64 leniently; what does not come out the same was not base64.
  const exact = key.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "");
  return exact && key.length >= 24 && key.length <= 64 ? key : undefined;
}

export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`;

/**
 * The three headers of Standard Webhooks. `id`: the same on each attempt; `seconds`: Unix seconds of this one. During
 * a rotation each key signs, so that the receiver may hold either.
 */
export function webhookHeaders(keys: Buffer[], id: string, seconds: number, body: string) {
  const signatures = keys.map((key) => {
    const digest = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
    return `v1,${digest}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": signatures.join(" "),
  };
}
