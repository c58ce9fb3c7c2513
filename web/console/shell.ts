import { html, nothing, type TemplateResult } from "lit";
import { key, lastAnswer, serviceUrl, setAsker } from "./api.ts";
import { errorBox } from "./error-box.ts";
import { timeOf } from "./format.ts";
import { icons, mark } from "./icons.ts";
import { away, awayChanged, Part } from "./part.ts";
import "./parts/clock-note.ts";
import { KeyDialog } from "./parts/key-dialog.ts";
import { addressOf, placeOf } from "./route.ts";
import { applyTheme, nextTheme, theme } from "./theme.ts";
import { type View, views } from "./views.ts";

/** The frame around the views, with the navigation. */
class Shell extends Part {
  #place = placeOf(location.hash);
  #isMenuOpen = false;
  #isBroken = false;
  /** An error that no part of the console has caught. */
  #defect: unknown;

  override connectedCallback(): void {
    // Remove the text that stands there until the program is loaded.
    this.replaceChildren();
    super.connectedCallback();
    addEventListener("hashchange", this.#moved);
    addEventListener("pointerdown", this.#touched);
    addEventListener(awayChanged, this.#redraw);
    addEventListener("unhandledrejection", this.#fail);
    setAsker((why) => (this.querySelector("bf-key-dialog") as KeyDialog).ask(why));
    this.#arrive();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("hashchange", this.#moved);
    removeEventListener("pointerdown", this.#touched);
    removeEventListener(awayChanged, this.#redraw);
    removeEventListener("unhandledrejection", this.#fail);
  }

  get #view(): View | undefined {
    return views.find(({ name }) => name === this.#place.view);
  }

  #arrive(): void {
    document.title = `${this.#view?.title ?? "Not found"} · Belfry`;
    this.#isBroken = false;
    this.#defect = undefined;
    this.#view?.load?.().catch(() => {
      this.#isBroken = true;
      this.requestUpdate();
    });
  }

  #moved = async (): Promise<void> => {
    const before = this.#place.view;
    this.#place = placeOf(location.hash);
    this.#isMenuOpen = false;
    this.#arrive();
    this.requestUpdate();
    await this.updateComplete;
    const main = this.querySelector<HTMLElement>("main");
    if (this.#place.view === before) {
      // The focused element may be gone: then the list gets the focus.
      await new Promise(requestAnimationFrame);
      const list = this.querySelector<HTMLElement>(".rows-grid") ?? main;
      if (document.activeElement === document.body) list?.focus({ preventScroll: true });
      return;
    }
    // Screen readers then announce the new view.
    main?.focus({ preventScroll: true });
    scrollTo(0, 0);
  };

  #link({ name, title }: View): TemplateResult {
    const isHere = name === this.#place.view;
    return html`<li>
      <a href=${addressOf(name)} aria-current=${isHere ? "page" : nothing}>${icons[name]}<span>${title}</span></a>
    </li>`;
  }

  #toggleMenu(isOpen = !this.#isMenuOpen): void {
    this.#isMenuOpen = isOpen;
    this.requestUpdate();
  }

  #menuKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !this.#isMenuOpen) return;
    this.#toggleMenu(false);
    this.querySelector<HTMLElement>(".menu-item button")?.focus();
  };

  /** A tap outside the open menu closes it. */
  #touched = (event: Event): void => {
    if (this.#isMenuOpen && !this.querySelector("nav")?.contains(event.target as Node))
      this.#toggleMenu(false);
  };

  #skip = (event: Event): void => {
    event.preventDefault();
    this.querySelector<HTMLElement>("main")?.focus();
  };

  override render(): TemplateResult {
    const view = this.#view;
    const rest = views.filter(({ isMain }) => !isMain);
    const isInMenu = rest.some(({ name }) => name === view?.name);
    return html`
      <a class="skip" href="#main" @click=${this.#skip}>Skip to content</a>
      <header class="tower">
        <a class="brand" href=${addressOf("send")}>${mark}<span>Belfry</span></a>
        <nav aria-label="Views">
          <ul class="mains">
            ${views.filter(({ isMain }) => isMain).map((one) => this.#link(one))}
            <li class="menu-item">
              <button
                type="button"
                class=${isInMenu ? "is-here" : ""}
                aria-expanded=${this.#isMenuOpen}
                aria-controls="menu"
                @click=${() => this.#toggleMenu()}
              >
                ${icons.more}<span>More</span>
              </button>
            </li>
          </ul>
          <div
            id="menu"
            class=${this.#isMenuOpen ? "menu is-open" : "menu"}
            @keydown=${this.#menuKey}
            @click=${() => this.#toggleMenu(false)}
          >
            <ul>
              ${rest.map((one) => this.#link(one))}
            </ul>
            <ul class="aside">
              <li><a href=${serviceUrl("/docs/")}>API reference</a></li>
              <li>
                <button type="button" @click=${this.#turn}>Theme: ${theme()}</button>
              </li>
              ${
                key.get() &&
                html`<li><button type="button" @click=${this.#forget}>Forget the API key</button></li>`
              }
            </ul>
          </div>
        </nav>
      </header>
      <main id="main" tabindex="-1" class=${away.size > 0 ? "is-away" : ""}>
        <bf-clock-note></bf-clock-note>
        ${this.#isBroken ? notLoaded : nothing}
        ${errorBox([...away][0]?.error, comeBack, this.#age)} ${errorBox(this.#defect)}
        ${view ? view.show(this.#place) : this.#nowhere()}
      </main>
      <bf-key-dialog @given=${() => this.requestUpdate()}></bf-key-dialog>
    `;
  }

  #nowhere(): TemplateResult {
    return html`<h1>Not found</h1>
      <p>There is no view “<bdi>${this.#place.view}</bdi>”. Go to <a href="#/send">Send</a>.</p>`;
  }

  /** While the server is away: the time of the data on the page. */
  get #age(): string {
    const at = lastAnswer();
    return at === undefined ? "" : `This page shows the state of ${timeOf(at)}.`;
  }

  #redraw = (): void => this.requestUpdate();

  /** Without this, a part that fails to render would look as if it were loading for ever. */
  #fail = ({ reason }: PromiseRejectionEvent): void => {
    this.#defect = reason;
    this.requestUpdate();
  };

  #turn = (): void => {
    nextTheme();
    this.requestUpdate();
  };

  #forget = (): void => {
    key.forget();
    location.reload();
  };
}

const comeBack = (): void => {
  for (const one of away) one.again();
};

const notLoaded = html`<p class="trouble" role="alert">
  <span><strong>This view could not be loaded.</strong> Check that Belfry is running, then reload the page.</span>
</p>`;

applyTheme();
customElements.define("bf-key-dialog", KeyDialog);
customElements.define("bf-console", Shell);
