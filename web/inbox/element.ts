import { html, LitElement, nothing, type PropertyDeclarations, type PropertyValues, unsafeCSS } from "lit";
import type { InboxItem } from "../../src/client/index.ts";
import tokens from "../look/tokens.css?inline";
import { Browsing } from "./browsing.ts";
import * as desktop from "./desktop.ts";
import { Following } from "./following.ts";
import * as icons from "./icons.ts";
import styles from "./inbox.css?inline";
import { addressOf } from "./item.ts";
import { aimAt, focusedRow, focusRow } from "./keys.ts";
import listStyles from "./list.css?inline";
import { createLocale, type Locale } from "./locale.ts";
import { type Panel, panel } from "./panel.ts";
import type { Change } from "./pending.ts";
import { Popover } from "./popover.ts";
import type { BelfryInboxProperties } from "./public.d.ts";
import type { InboxView } from "./session.ts";
import { createSpeaker } from "./speaker.ts";
import { type Status, statusOf } from "./status.ts";
import type { GivenTexts } from "./texts.ts";
import { readTexts } from "./texts-attribute.ts";

/** Times are told to the minute. While it is not live, what is said depends on how long that has been. */
const timesMs = 20_000;
const patienceMs = 1_000;
/** A clock that is off by less changes nothing that is shown. */
const clockToleranceMs = 120_000;

export class BelfryInbox extends LitElement implements BelfryInboxProperties {
  static override styles = [tokens, styles, listStyles].map(unsafeCSS);
  static override properties: PropertyDeclarations = {
    user: {},
    token: {},
    getToken: { attribute: false },
    server: {},
    locale: {},
    theme: { reflect: true },
    texts: { converter: readTexts },
    inline: { type: Boolean, reflect: true },
    open: { type: Boolean, reflect: true },
    readOn: { attribute: "read-on" },
  };
  declare user: string | undefined;
  declare token: string | undefined;
  declare getToken: (() => string | Promise<string>) | undefined;
  declare server: string | undefined;
  declare locale: string | undefined;
  declare theme: "light" | "dark" | "auto" | undefined;
  declare texts: GivenTexts | undefined;
  declare inline: boolean;
  declare open: boolean;
  declare readOn: "click" | "open";

  readonly #following = new Following((arrived) => this.#hear(arrived));
  #told: { unread: number; total: number } | undefined;
  readonly #popover = new Popover(this);
  #locale: Locale = createLocale("en");
  #localeTag = "";
  readonly #browsing = new Browsing();
  #showsBlocked = false;
  #focused: ReturnType<typeof focusedRow>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #speaker = createSpeaker(() => this.requestUpdate());
  readonly #sight = new IntersectionObserver((entries) => {
    if (!entries.some((one) => one.isIntersecting)) return;
    this.#browsing.drawMore();
    this.requestUpdate();
  });

  constructor() {
    super();
    this.inline = false;
    this.open = false;
    this.readOn = "click";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.#onVisible);
    this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.#onVisible);
    clearTimeout(this.#timer);
    this.#speaker.stop();
    this.#sight.disconnect();
    this.#popover.end();
    this.#following.end();
  }

  protected override willUpdate(changed: PropertyValues): void {
    const { user, server, token, getToken } = this;
    if (changed.has("user") || changed.has("server")) {
      this.#following.forget();
      this.#told = undefined;
      this.#browsing.choose("all");
    } else if (changed.has("token")) this.#following.end();
    else if (changed.has("getToken")) this.#following.renewBy(getToken);
    if (user && this.isConnected) this.#following.begin({ user, server, token, getToken });
    const page = (this.closest("[lang]") as HTMLElement | null)?.lang;
    const tag = this.locale || page || navigator.language;
    if (changed.has("texts") || tag !== this.#localeTag) {
      this.#locale = createLocale(tag, this.texts);
      this.#localeTag = tag;
    }
    // Closed before what is in it goes: so the focus goes back to where it came from.
    if (!this.open) this.#popover.follow();
    this.#focused = focusedRow(this.renderRoot);
  }

  get #isShown(): boolean {
    return this.inline || this.open;
  }

  #hear(arrived: InboxItem[]): void {
    const { view } = this.#following;
    if (!view?.isLoaded || !this.user) {
      this.requestUpdate();
      return;
    }
    const { unread, total } = view;
    if (unread !== this.#told?.unread || total !== this.#told.total) {
      this.#told = { unread, total };
      this.#tell("belfry-count", this.#told);
    }
    for (const item of arrived.toReversed()) this.#tell("belfry-new", { item });
    if (arrived.length > 0 && this.#following.leads) {
      this.#speaker.arrived(arrived);
      void desktop.notify(this.user, arrived, (item) => this.#activate(item));
    }
    this.#readWhatIsShown();
    this.requestUpdate();
  }

  /** False: a listener has prevented what would follow. */
  #tell(type: string, detail: object, cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable }));
  }

  readonly #onVisible = (): void => {
    this.#readWhatIsShown();
    this.requestUpdate();
  };

  #readWhatIsShown(): void {
    const { view } = this.#following;
    if (this.readOn !== "open" || !this.#isShown || document.hidden) return;
    // After a failure it is the reader who tries again.
    if (!view || view.unread === 0 || view.failure || view.connection !== "live") return;
    for (const one of view.items) if (!one.read) this.#browsing.kept.add(one.id);
    void this.#following.session?.readAll();
  }

  protected override render() {
    const { view } = this.#following;
    const { dir, tag } = this.#locale;
    const unread = view?.isLoaded ? view.unread : 0;
    return html`
      <div class="root" part="root" dir=${dir} lang=${tag}>
        ${this.inline ? nothing : this.#bell(unread)}
        <section id="panel" class="panel" part="panel" popover=${this.inline ? nothing : "auto"}
          role=${this.inline ? "region" : "dialog"} aria-labelledby="title" tabindex="-1" ?autofocus=${!this.inline}
          @beforetoggle=${this.#popover.onToggle} @toggle=${this.#popover.onToggle} @keydown=${this.#onKey}>
          ${this.#isShown ? panel(this.#panel(view)) : nothing}
        </section>
        <div class="sr" role="status">${this.#speaker.says(this.#locale)}</div>
      </div>`;
  }

  #bell(unread: number) {
    const { texts, plural, number } = this.#locale;
    const says = unread > 0 ? `${texts.title}, ${plural(texts.unread, unread)}` : texts.title;
    return html`
      <button id="bell" class="bell ${unread > 0 ? "ringing" : ""}" part="bell" type="button" popovertarget="panel"
        aria-haspopup="dialog" aria-expanded=${this.open} aria-label=${says}>
        <slot name="bell">${icons.bell}</slot>
        ${unread > 0 ? html`<span class="count" part="count" aria-hidden="true">${number(unread)}</span>` : nothing}
      </button>`;
  }

  #panel(view: InboxView | undefined): Panel {
    const now = Date.now();
    const browsing = this.#browsing;
    const items = browsing.shown(view?.items);
    const ahead = view?.clockAhead ?? 0;
    const clockOff = Math.abs(ahead) > clockToleranceMs ? ahead : 0;
    return {
      locale: this.#locale,
      now: now - clockOff,
      isInline: this.inline,
      isLoaded: view?.isLoaded ?? false,
      unread: view?.unread ?? 0,
      filter: browsing.filter,
      items,
      drawn: browsing.drawn,
      current: Math.max(
        0,
        items.findIndex((one) => one.id === browsing.current),
      ),
      isNew: (item) => !item.read || (this.readOn === "open" && browsing.kept.has(item.id)),
      isExpanded: (item) => browsing.expanded.has(item.id),
      status: this.#status(view, now),
      failure: view?.failure,
      showsBlocked: this.#showsBlocked,
      clockOff,
      onFilter: (filter) => {
        browsing.choose(filter);
        this.requestUpdate();
      },
      onReadAll: () => {
        if (view && view.unread > 0) void this.#following.session?.readAll();
      },
      onNotify: () => this.#toggleNotify(),
      onRetry: () => this.#following.session?.retry(),
      onForgive: () => {
        this.#showsBlocked = false;
        this.#following.session?.forgive();
        this.requestUpdate();
      },
      onFocus: (event) => {
        browsing.current = (event.target as Element).closest<HTMLElement>("li")?.dataset.id;
        this.requestUpdate();
      },
      onClick: (event, item) => this.#onClick(event, item),
      onChange: (change, item) => this.#change(change, item),
      onExpand: (item) => {
        browsing.expand(item.id);
        this.requestUpdate();
      },
    };
  }

  #status(view: InboxView | undefined, now: number): Status | undefined {
    const { texts } = this.#locale;
    return view ? statusOf(view, texts, now) : { kind: "trouble", says: texts.noUser, canRetry: false };
  }

  protected override updated(changed: PropertyValues): void {
    const { renderRoot } = this;
    this.#popover.follow();
    if (changed.has("open") || changed.has("inline")) {
      this.#readWhatIsShown();
      if (!this.open) this.#browsing.beginAnew();
    }
    const panel = renderRoot.querySelector<HTMLElement>("#panel");
    if (this.#focused && panel) focusRow(renderRoot, this.#focused, panel);
    this.#sight.disconnect();
    const end = renderRoot.querySelector(".end");
    if (end) this.#sight.observe(end);
    clearTimeout(this.#timer);
    const { connection } = this.#following.view ?? { connection: "refused" };
    const isWaiting = connection === "connecting";
    if (this.#isShown) this.#timer = setTimeout(() => this.requestUpdate(), isWaiting ? patienceMs : timesMs);
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    if (!target.closest("li") && target.id !== "panel") return;
    const browsing = this.#browsing;
    const items = browsing.shown(this.#following.view?.items);
    const from = target.id === "panel" ? -1 : items.findIndex((one) => one.id === browsing.current);
    const to = aimAt(event, from, items.length);
    if (to === undefined) return;
    event.preventDefault();
    browsing.goTo(to, items);
    this.requestUpdate();
    void this.updateComplete.then(() => focusRow(this.renderRoot, { index: to }));
  };

  #onClick(event: MouseEvent, item: InboxItem): void {
    const goes = this.#tell("belfry-click", { item }, true);
    // Another window is the browser's to open, whatever the page does by itself.
    const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!goes && !isElsewhere) event.preventDefault();
    this.#readClicked(item);
    if ((!goes || addressOf(item)) && !isElsewhere && !this.inline) this.open = false;
  }

  /** As a click does, from a notification of the browser's. */
  #activate(item: InboxItem): void {
    this.#readClicked(item);
    if (!this.#tell("belfry-click", { item }, true)) return;
    const url = addressOf(item);
    if (url) location.assign(url);
    else if (!this.inline) this.open = true;
  }

  #readClicked(item: InboxItem): void {
    if (item.read) return;
    this.#browsing.kept.add(item.id);
    void this.#following.session?.change("read", item.id);
  }

  #change(change: Change, item: InboxItem): void {
    this.#browsing.kept.delete(item.id);
    void this.#following.session?.change(change, item.id);
  }

  async #toggleNotify(): Promise<void> {
    await desktop.agree(!desktop.hasAgreed());
    this.#showsBlocked = desktop.isBlocked();
    this.requestUpdate();
  }
}
