import { html, nothing, type TemplateResult } from "lit";
import type { NotificationAnswer } from "../../../src/client/wire.ts";
import { plural } from "../format.ts";
import { addressOf } from "../route.ts";
import "./outcome.ts";

export interface Sent {
  type: string;
  each: NotificationAnswer["notifications"];
}

/** Each of so many recipients is followed; the others are in Deliveries. */
const followed = 5;

/** What has become of a call, recipient by recipient. */
export function outcomes({ type, each }: Sent): TemplateResult {
  const stored = each.filter(({ id }) => id).length;
  const alone = each.length === 1;
  const first = each.find(({ id }) => id)?.id;
  const all = addressOf("deliveries", undefined, { type, from: first && minuteBefore(first) });
  const others = html`The first ${followed} are followed here; <a href=${all}>all deliveries</a>.`;
  const says = alone
    ? stored
      ? "Stored: nothing can lose it now."
      : "Not stored."
    : `${plural(stored, "notification")} stored${stored < each.length ? `, ${each.length - stored} refused` : ""}.`;
  return html`
    <p role="status">${says} ${each.length > followed ? others : nothing}</p>
    ${each.slice(0, followed).map(
      ({ user_id, id, error }) => html`<bf-outcome
        .user=${user_id}
        .notification=${id}
        .refusal=${error?.message}
        .alone=${alone}
      ></bf-outcome>`,
    )}`;
}

/** By the server's clock, which the id has its time from: this device's may be another. */
const minuteBefore = (id: string): string =>
  new Date(Number.parseInt(id.slice(0, 8), 16) * 1_000 - 60_000).toISOString();

/** Before the first: what this is, and how to see it work. */
export const firstSteps = html`<ol class="first">
  <li>
    <strong>Press Send.</strong> The notification is stored, is in the inbox below at once, and goes out by e-mail.
  </li>
  <li>
    <strong>See what became of it</strong>, right here: each channel, each attempt, the mail itself. Without a provider
    nothing leaves this machine; what would have gone out is <a href="#/captured">captured</a>.
  </li>
  <li>
    <strong>Make it busy:</strong> <a href="#/simulator">start the simulator</a>, then watch it
    <a href="#/live">live</a>.
  </li>
</ol>`;
