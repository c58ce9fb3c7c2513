import { html, nothing, type TemplateResult } from "lit";
import type { NotificationAnswer } from "../../../src/client/wire.ts";
import { plural } from "../format.ts";
import { addressOf } from "../route.ts";
import "./outcome.ts";

export interface Sent {
  type: string;
  each: NotificationAnswer["notifications"];
}

/** This many recipients are followed here; the others are under Deliveries. */
const followed = 5;

/** The result of a request, recipient by recipient. */
export function outcomes({ type, each }: Sent): TemplateResult {
  const stored = each.filter(({ id }) => id).length;
  const alone = each.length === 1;
  const first = each.find(({ id }) => id)?.id;
  const all = addressOf("deliveries", undefined, { type, from: first && minuteBefore(first) });
  const others = html`Only the first ${followed} are shown here; <a href=${all}>see all deliveries</a>.`;
  const says = alone
    ? stored
      ? "Stored: it survives a crash from now on."
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

/** The id contains the time by the server's clock. This device's clock may be wrong. */
const minuteBefore = (id: string): string =>
  new Date(Number.parseInt(id.slice(0, 8), 16) * 1_000 - 60_000).toISOString();

/** Before the first send: what to do. */
export const firstSteps = html`<ol class="first">
  <li>
    <strong>Press Send.</strong> The notification is stored, appears in the inbox below, and is sent by e-mail.
  </li>
  <li>
    <strong>See the result</strong> here: each channel, each attempt, and the e-mail itself. Without a provider nothing
    leaves this machine: messages are <a href="#/captured">captured</a> instead.
  </li>
  <li>
    <strong>Add some load:</strong> <a href="#/simulator">start the simulator</a>, then watch it
    <a href="#/live">live</a>.
  </li>
</ol>`;
