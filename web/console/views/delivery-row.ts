import { html, nothing, type TemplateResult } from "lit";
import type { Delivery } from "../../../src/client/wire.ts";
import { moment } from "../feedback.ts";
import { stateLabel } from "../icons.ts";
import { channelName } from "../labels.ts";
import { due as dueAt } from "../parts/due.ts";
import { addressOf } from "../route.ts";

const columns = ["State", "Created", "User", "Type", "Channel", "Provider", "Details"];
export const head = columns.map(
  (name) => html`<span role="columnheader" class=${`c-${name.toLowerCase()}`}>${name}</span>`,
);

/** Renders a delivery as a row. The address of an open delivery keeps the filters. */
export const rowIn =
  (query: Record<string, string>) =>
  (one: Delivery): TemplateResult =>
    html`
  <span role="gridcell" class="c-state"><a href=${addressOf("deliveries", one.id, query)} tabindex="-1">${stateLabel(one.status)}</a></span>
  <span role="gridcell" class="c-created">${moment(one.created_at, true)}</span>
  <span role="gridcell" class="c-user" dir="auto">${one.user_id || "erased"}</span>
  <span role="gridcell" class="c-type">${one.type}</span>
  <span role="gridcell" class="c-channel">${channelName(one.channel)}</span>
  <span role="gridcell" class="c-provider">${one.provider}</span>
  <span role="gridcell" class="c-details">${detailsOf(one)}</span>
`;

/** The reason, the next try, or how many tries it took. */
function detailsOf({ reason, status, tries, due }: Delivery): unknown {
  if (reason) return reason.replaceAll("_", " ");
  if (status === "pending" && tries > 0 && due) return dueAt(due, "next try");
  return tries > 1 ? `${tries} tries` : nothing;
}
