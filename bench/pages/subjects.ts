import type { Bare } from "./bare.ts";
import { deliveryCount, unreadOf } from "./data.ts";
import type { Visit } from "./load.ts";
import type { Scrollable } from "./scroll.ts";

/** The pages that are measured. The JavaScript in the texts runs in the page. */

const tag = `document.querySelector("belfry-inbox").shadowRoot`;
const count = `document.querySelector("belfry-inbox")?.shadowRoot?.querySelector('[part~="count"]')?.textContent`;
const rows = `document.querySelector(".rows-grid")`;

/** The console with its list of deliveries. A key moves the selection. */
export const consolePage = (service: string): Visit => ({
  url: `${service}/#/deliveries`,
  ready: `document.querySelector(".row")`,
  act: `${rows}.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }))`,
  answered: `document.querySelector(".row.is-active")`,
});

/** The tag in a page. Its bell shows the number of unread items, and a click opens the list. */
export const bell = (bare: Bare, user: string, items: number): Visit => ({
  url: bare.tagOf(user),
  ready: `${count} === "${unreadOf(items)}"`,
  act: `${tag}.querySelector('[part~="bell"]').click()`,
  answered: `${tag}.querySelector('[part~="item"]')`,
});

/** The reference for both. */
export const heading = (url: string): Visit => ({
  url,
  ready: `document.querySelector("h1")`,
  act: `document.querySelector("h1").click()`,
  answered: `document.querySelector("h1.clicked")`,
});

export const deliveries = (service: string): Scrollable => ({
  url: `${service}/#/deliveries`,
  ready: `document.querySelectorAll(".row").length > 5`,
  box: rows,
  // The first row is the head.
  whole: `document.querySelector(".row:last-child").ariaRowIndex === "${deliveryCount + 1}"`,
});

export const inbox = (bare: Bare, user: string, items: number): Scrollable => ({
  url: bare.tagOf(user),
  ready: `${count} === "${unreadOf(items)}"`,
  open: `${tag}.querySelector('[part~="bell"]').click()`,
  box: `${tag}.querySelector('[part~="body"]')`,
  whole: `${tag}.querySelectorAll('[part~="item"]').length === ${items}`,
});
