import { html, nothing } from "lit";
import * as icons from "./icons.ts";
import type { Locale } from "./locale.ts";

export function bell({ texts, plural, number }: Locale, unread: number, isOpen: boolean) {
  const label = unread > 0 ? `${texts.title}, ${plural(texts.unread, unread)}` : texts.title;
  return html`
    <button id="bell" class="bell ${unread > 0 ? "ringing" : ""}" part="bell" type="button" popovertarget="panel"
      aria-haspopup="dialog" aria-expanded=${isOpen} aria-label=${label}>
      <slot name="bell">${icons.bell}</slot>
      ${unread > 0 ? html`<span class="count" part="count" aria-hidden="true">${number(unread)}</span>` : nothing}
    </button>`;
}
