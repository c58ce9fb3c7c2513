import type { FastifyInstance } from "fastify";
import type { LiveInbox } from "../../core/inbox.ts";
import { inboxRoutes } from "./inbox.ts";
import { type NotificationPartners, notificationRoutes } from "./notifications.ts";
import { type UserPartners, userRoutes } from "./users.ts";

export interface V1Partners extends UserPartners, NotificationPartners {
  inbox: LiveInbox;
}

/** Our own API: users, their inboxes and their notifications. */
export async function v1Routes(app: FastifyInstance, partners: V1Partners): Promise<void> {
  notificationRoutes(app, partners);
  await userRoutes(app, partners);
  await inboxRoutes(app, partners.inbox);
}
