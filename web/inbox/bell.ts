import { html, nothing } from "lit";
import * as icons from "./icons.ts";
import type { Locale } from "./locale.ts";

/** `counts`: what the badge counts. */
export function bell(
  { texts, plural, number }: Locale,
  counts: "unseen" | "unread",
  count: number,
  isOpen: boolean,
) {
  const label = count > 0 ? `${texts.title}, ${plural(texts[counts], count)}` : texts.title;
  return html`
    <button id="bell" class="bell ${count > 0 ? "ringing" : ""}" part="bell" type="button" popovertarget="panel"
      aria-haspopup="dialog" aria-expanded=${isOpen} aria-label=${label}>
      <slot name="bell">${icons.bell}</slot>
      ${count > 0 ? html`<span class="count" part="count" aria-hidden="true">${number(count)}</span>` : nothing}
    </button>`;
}
