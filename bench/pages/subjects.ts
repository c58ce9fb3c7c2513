import type { Bare } from "./bare.ts";
import { deliveryCount, unreadOf } from "./data.ts";
import type { Visit } from "./load.ts";
import type { Scrollable } from "./scroll.ts";

/** The pages that are measured, and how they are used; expressions are for the page. */

const tag = `document.querySelector("belfry-inbox").shadowRoot`;
const count = `document.querySelector("belfry-inbox")?.shadowRoot?.querySelector('[part~="count"]')?.textContent`;
const rows = `document.querySelector(".rows-grid")`;

/** The console with its list of deliveries, which moves its mark at a key. */
export const consolePage = (service: string): Visit => ({
  url: `${service}/#/deliveries`,
  ready: `document.querySelector(".row")`,
  act: `${rows}.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }))`,
  answered: `document.querySelector(".row.is-active")`,
});

/** The tag on somebody's page: its bell says how many there are, and opens at a click. */
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
  uncovered: `(() => {
    const [box, head, drawn] = ["", " .rows-head", " .rows-window"].map((one) =>
      document.querySelector(".rows-grid" + one).getBoundingClientRect(),
    );
    return Math.max(drawn.top - Math.max(box.top, head.bottom), box.bottom - drawn.bottom) - 2;
  })()`,
  // The first row is the head.
  whole: `document.querySelector(".row:last-child").ariaRowIndex === "${deliveryCount + 1}"`,
});

export const inbox = (bare: Bare, user: string, items: number): Scrollable => ({
  url: bare.tagOf(user),
  ready: `${count} === "${unreadOf(items)}"`,
  open: `${tag}.querySelector('[part~="bell"]').click()`,
  box: `${tag}.querySelector('[part~="body"]')`,
  // Draws all on the way there.
  toEnd: `${tag}.querySelector("#panel").dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }))`,
  whole: `${tag}.querySelectorAll('[part~="item"]').length === ${items}`,
});

export const list = (bare: Bare, lines: number): Scrollable => ({
  url: bare.listOf(lines),
  ready: `document.readyState === "complete"`,
  box: `document.querySelector("ol")`,
});
