import { keepAt } from "./place.ts";

/** The panel as a popover of the browser. The host's `open` opens and closes it, and follows it. */
export class Popover {
  readonly #host: HTMLElement & { open: boolean; readonly renderRoot: ParentNode };
  /** The browser is opening or closing it just now. */
  #isToggling = false;
  #endPlace: (() => void) | undefined;

  constructor(host: HTMLElement & { open: boolean; readonly renderRoot: ParentNode }) {
    this.#host = host;
  }

  /** Call it before its content is removed, and after it is drawn. */
  follow(): void {
    const { open, renderRoot } = this.#host;
    const panel = renderRoot.querySelector<HTMLElement>("#panel[popover]");
    const bell = renderRoot.querySelector("#bell");
    if (panel && !this.#isToggling && open !== panel.matches(":popover-open")) panel.togglePopover(open);
    if (panel && bell && open) this.#endPlace ??= keepAt(bell, panel);
    else this.end();
  }

  /** The content must be drawn before the popover shows, and stay until it is hidden. */
  readonly onToggle = ({ type, newState }: ToggleEvent): void => {
    const isOpen = newState === "open";
    this.#isToggling = type === "beforetoggle";
    if (isOpen || !this.#isToggling) this.#host.open = isOpen;
    // Browsers return the focus to the button that opened a popover, but not yet inside a shadow root.
    const { renderRoot } = this.#host;
    if (!isOpen && renderRoot.querySelector("#panel:focus-within"))
      renderRoot.querySelector<HTMLElement>("#bell")?.focus();
  };

  end(): void {
    this.#endPlace?.();
    this.#endPlace = undefined;
  }
}
