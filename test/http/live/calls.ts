import { expect } from "vitest";
import { call } from "../../support/http.ts";

/** Changes of inboxes, by the live dialect and our own API. */

/** Notifies `user`; answers the item's id. */
export async function notify(
  url: string,
  user: string,
  title = "hello",
  description?: string,
  headers?: Record<string, string>,
): Promise<string> {
  const what = { title, receiver_user_id: user, ...(description !== undefined && { description }) };
  const { status, body } = await call(url, "POST", "/notification/", what, headers);
  expect(status).toBe(201);
  return body.data.notification_id.split(".")[0];
}

export async function change(url: string, user: string, id: string, what: string): Promise<void> {
  const path = `/v1/users/${encodeURIComponent(user)}/inbox/${id}`;
  const { status } =
    what === "delete" ? await call(url, "DELETE", path) : await call(url, "POST", `${path}/${what}`);
  expect(status).toBe(200);
}

/** The number of live connections of the service. */
export async function listening(url: string): Promise<number> {
  const { body } = await call(url, "GET", "/metrics");
  return Number(/^belfry_live_connections (\d+)/m.exec(body)?.[1]);
}

/** The user's `rev`, minus so many changes. */
export async function revBefore(url: string, user: string, changes: number): Promise<number> {
  const { body } = await call(url, "GET", `/v1/users/${encodeURIComponent(user)}/inbox?limit=1`);
  return body.rev - changes;
}

let made = 0;
/** A user nobody else knows. */
export const someone = (): string => `user ${++made}`;
export const livePath = (user: string, query = ""): string =>
  `/v1/users/${encodeURIComponent(user)}/live${query}`;
export const eventsPath = (user: string, query = ""): string =>
  `/v1/users/${encodeURIComponent(user)}/events${query}`;
export const dialectPath = (user: string): string => `/ws/v1/notifications/${encodeURIComponent(user)}`;
