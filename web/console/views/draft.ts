import type { NotificationBody } from "../../../src/client/wire.ts";
import { key, serviceUrl } from "../api.ts";
import { readObject } from "../parts/json-field.ts";

/** A notification in the form. */
export interface Draft {
  recipients: string;
  type: string;
  /** Absent: the type's own channels. */
  places?: string[] | undefined;
  title: string;
  body: string;
  data: string;
  target: string;
}

/** The request's body. Invalid JSON is omitted. */
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

/** Ids are separated by commas, blanks or lines; each counts once. */
export const recipientsIn = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter(Boolean))];

/** The request as a shell command. It names a variable instead of the key. */
export function shellCall(draft: Draft): string {
  const body = JSON.stringify(bodyOf(draft)).replaceAll("'", "'\\''");
  const bearer = key.get() ? `  -H "authorization: Bearer $BELFRY_KEY" \\\n` : "";
  return `curl ${serviceUrl("/v1/notifications")} \\\n${bearer}  -H 'content-type: application/json' \\\n  -d '${body}'`;
}
