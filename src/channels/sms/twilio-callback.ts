import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Type } from "typebox";
import type { Receipt } from "../../model/receipt.ts";
import type { CallbackModule } from "../module.ts";
import { twilioRefusals } from "./twilio-outcome.ts";

export const twilioCallback = {
  summary: "Status callback for Twilio",
  description: "Twilio signs `PUBLIC_URL`, path, query and form with `TWILIO_AUTH_TOKEN`.",
  querystring: Type.Object({ delivery: Type.String({ pattern: "^[0-9a-fA-F]{24}$" }) }),
  status: 204,
  open(config: { PUBLIC_URL: string | undefined; TWILIO_AUTH_TOKEN: string | undefined }) {
    const { PUBLIC_URL: publicUrl, TWILIO_AUTH_TOKEN: authToken } = config;
    if (publicUrl === undefined || authToken === undefined) return undefined;
    return ({ headers, url, query, body }) => {
      const form = body as URLSearchParams;
      const { delivery } = query as { delivery: string };
      return isTwilios(headers, publicUrl + url, form, authToken)
        ? { receipt: twilioReceipt(delivery.toLowerCase(), form) }
        : undefined;
    };
  },
} satisfies CallbackModule;

/**
 * Whether Twilio signed this: HMAC-SHA1 over the public URL and the sorted parameters (twilio.com/docs/usage/security).
 * Twilio signs the URL with or without its port, so either counts.
 */
export function isTwilios(
  headers: IncomingHttpHeaders,
  url: string,
  form: URLSearchParams,
  authToken: string,
): boolean {
  const signature = headers["x-twilio-signature"];
  if (typeof signature !== "string") return false;
  const given = Buffer.from(signature);
  const names = [...new Set(form.keys())].sort();
  const fields = names.flatMap((name) => [...new Set(form.getAll(name))].sort().map((value) => name + value));
  const [, scheme = "", host = "", port, rest = ""] =
    /^(https?:\/\/)([^/?#]*?)(:\d+)?([/?#].*)?$/s.exec(url) ?? [];
  const ports = ["", port ?? (scheme === "https://" ? ":443" : ":80")];
  return ports.some((one) => {
    const signed = scheme + host + one + rest + fields.join("");
    const expected = createHmac("sha1", authToken).update(signed).digest("base64");
    return given.length === expected.length && timingSafeEqual(given, Buffer.from(expected));
  });
}

/** A status callback; undefined when it says nothing that we keep (`queued`, `sent`, …). `delivery`: from our own URL. */
export function twilioReceipt(delivery: string, form: URLSearchParams): Receipt | undefined {
  const providerId = form.get("MessageSid") ?? undefined;
  const base = { delivery, channel: "sms", ...(providerId && { providerId }) } as const;
  switch (form.get("MessageStatus")) {
    case "delivered":
    case "read":
      return { ...base, outcome: { state: "delivered" } };
    case "failed":
    case "undelivered": {
      const code = form.get("ErrorCode") ?? "";
      const refusal = twilioRefusals.get(code);
      const address = form.get("To");
      const detail = `Twilio: ${form.get("MessageStatus")} ${code} ${form.get("ErrorMessage") ?? ""}`;
      const told = refusal === "opt_out" || refusal === "expired" || refusal === "policy";
      const reason = told ? refusal : "undelivered";
      return {
        ...base,
        outcome: { state: "failed", reason, detail: detail.trim().slice(0, 500) },
        ...(address !== null &&
          (refusal === "opt_out" || refusal === "address") && { suppress: { address, reason: refusal } }),
      };
    }
    default:
      return undefined;
  }
}
