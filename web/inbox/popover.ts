import { keepAt } from "./place.ts";

/** The panel as a popover of the browser's, which its host's `open` opens and closes, and the other way round. */
export class Popover {
  readonly #host: HTMLElement & { open: boolean; readonly renderRoot: ParentNode };
  /** The browser is about to open or close it, and not to be told to. */
  #isToggling = false;
  #endPlace: (() => void) | undefined;

  constructor(host: HTMLElement & { open: boolean; readonly renderRoot: ParentNode }) {
    this.#host = host;
  }

  /** Before its content is drawn away, and after it is drawn. */
  follow(): void {
    const { open, renderRoot } = this.#host;
    const panel = renderRoot.querySelector<HTMLElement>("#panel[popover]");
    const bell = renderRoot.querySelector("#bell");
    if (panel && !this.#isToggling && open !== panel.matches(":popover-open")) panel.togglePopover(open);
    if (panel && bell && open) this.#endPlace ??= keepAt(bell, panel);
    else this.end();
  }

  /** It must be drawn by the time that it is shown, and its content be there until it is not any more. */
  readonly onToggle = ({ type, newState }: ToggleEvent): void => {
    const isOpen = newState === "open";
    this.#isToggling = type === "beforetoggle";
    if (isOpen || !this.#isToggling) this.#host.open = isOpen;
    // Browsers give the focus back to who opened a popover, but not yet inside of a shadow root.
    const { renderRoot } = this.#host;
    if (!isOpen && renderRoot.querySelector("#panel:focus-within"))
      renderRoot.querySelector<HTMLElement>("#bell")?.focus();
  };

  end(): void {
    this.#endPlace?.();
    this.#endPlace = undefined;
  }
}
