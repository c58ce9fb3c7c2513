import type { NotificationBody } from "../../../src/client/wire.ts";
import { key } from "../api.ts";
import { readObject } from "../parts/json-field.ts";

/** A notification as it stands in the form. */
export interface Draft {
  recipients: string;
  type: string;
  /** Absent: where the type's own go. */
  places?: string[] | undefined;
  title: string;
  body: string;
  data: string;
  target: string;
}

/** The call's body. What is no JSON is not in it. */
export function bodyOf({ recipients, type, places, title, body, data, target }: Draft): NotificationBody {
  const { value } = readObject(data);
  return {
    recipients: recipientsIn(recipients),
    type,
    ...(title && { title }),
    ...(body && { body }),
    ...(value && { data: value }),
    ...(target && { target_id: target }),
    ...(places && { channels: places as NonNullable<NotificationBody["channels"]> }),
  };
}

export function recipientsIn(text: string): string[] {
  const all = text.split(/[\n,]/).map((one) => one.trim());
  return [...new Set(all.filter(Boolean))];
}

/** The same from a shell. The key itself is nowhere to be seen. */
export function shellCall(draft: Draft): string {
  const body = JSON.stringify(bodyOf(draft)).replaceAll("'", "'\\''");
  const bearer = key.get() ? `  -H "authorization: Bearer $BELFRY_KEY" \\\n` : "";
  return `curl ${location.origin}/v1/notifications \\\n${bearer}  -H 'content-type: application/json' \\\n  -d '${body}'`;
}
