import { html, nothing, type PropertyValues, unsafeCSS } from "lit";
import type { InboxItem } from "../../src/client/index.ts";
import tokens from "../look/tokens.css?inline";
import { Attributes } from "./attributes.ts";
import { bell } from "./bell.ts";
import { Browsing } from "./browsing.ts";
import * as desktop from "./desktop.ts";
import { Following } from "./following.ts";
import styles from "./inbox.css?inline";
import { addressOf } from "./item.ts";
import { aimAt, focusedIn, focusRow, keepFocus } from "./keys.ts";
import listStyles from "./list.css?inline";
import { type Panel, panel } from "./panel.ts";
import type { Change } from "./pending.ts";
import { Popover } from "./popover.ts";
import type { InboxView } from "./session.ts";
import { Sight } from "./sight.ts";
import { createSpeaker } from "./speaker.ts";
import { statusOf } from "./status.ts";

/** Times are told to the minute. While it is not live, what is said depends on how long that has been. */
const timesMs = 20_000;
const patienceMs = 1_000;
/** A clock that is off by less changes nothing that is shown. */
const clockToleranceMs = 120_000;

export class BelfryInbox extends Attributes {
  static override styles = [tokens, styles, listStyles].map(unsafeCSS);
  readonly #following = new Following(
    () => this.checkVisibility(),
    (arrived) => this.#hear(arrived),
  );
  #told: { unread: number; total: number } | undefined;
  readonly #popover = new Popover(this);
  readonly #browsing = new Browsing();
  #showsBlocked = false;
  #focused: ReturnType<typeof focusedIn>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #speaker = createSpeaker(() => this.requestUpdate());
  readonly #sight = new Sight(() => {
    this.#browsing.drawMore();
    this.requestUpdate();
  });

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
    this.#sight.end();
    this.#popover.end();
    this.#following.end();
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { user, server, token, getToken } = this;
    if (changed.has("user") || changed.has("server")) {
      this.#following.forget();
      this.#speaker.stop();
      this.#told = undefined;
      this.#browsing.choose("all");
    } else if (changed.has("token")) this.#following.end();
    else if (changed.has("getToken")) this.#following.renewBy(getToken);
    if (user && this.isConnected) this.#following.begin({ user, server, token, getToken });
    // Closed before what is in it goes: so the focus goes back to where it came from.
    if (!this.open) this.#popover.follow();
    this.#focused = focusedIn(this.renderRoot);
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
    const { dir, tag } = this.words;
    const unread = view?.isLoaded ? view.unread : 0;
    return html`
      <div class="root" part="root" dir=${dir} lang=${tag}>
        ${this.inline ? nothing : bell(this.words, unread, this.open)}
        <section id="panel" class="panel" part="panel" popover=${this.inline ? nothing : "auto"}
          role=${this.inline ? "region" : "dialog"} aria-labelledby="title" tabindex="-1" ?autofocus=${!this.inline}
          @beforetoggle=${this.#popover.onToggle} @toggle=${this.#popover.onToggle} @keydown=${this.#onKey}>
          ${this.#isShown ? panel(this.#panel(view)) : nothing}
        </section>
        <div class="sr" role="status">${this.#speaker.says(this.words)}</div>
      </div>`;
  }

  #panel(view: InboxView | undefined): Panel {
    const now = Date.now();
    const browsing = this.#browsing;
    const items = browsing.shown(view?.items);
    const ahead = view?.clockAhead ?? 0;
    const clockOff = Math.abs(ahead) > clockToleranceMs ? ahead : 0;
    return {
      locale: this.words,
      now: now - clockOff,
      isInline: this.inline,
      isLoaded: view?.isLoaded ?? false,
      unread: view?.unread ?? 0,
      filter: browsing.filter,
      items,
      current: browsing.stop(items),
      drawn: browsing.drawn,
      isNew: (item) => !item.read || (this.readOn === "open" && browsing.kept.has(item.id)),
      isExpanded: (item) => browsing.expanded.has(item.id),
      status: statusOf(view, this.words, now),
      failure: view?.failure,
      showsBlocked: this.#showsBlocked,
      clockOff,
      onFilter: (filter) => {
        browsing.choose(filter);
        this.renderRoot.querySelector(".scroll")?.scrollTo(0, 0);
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
        const id = (event.target as Element).closest<HTMLElement>("li")?.dataset.id;
        if (id !== browsing.current) this.requestUpdate();
        browsing.current = id;
      },
      onClick: (event, item) => this.#onClick(event, item),
      onChange: (change, item) => this.#change(change, item),
      onExpand: (item) => {
        browsing.expand(item.id);
        this.requestUpdate();
      },
    };
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("open") || changed.has("inline")) {
      this.#readWhatIsShown();
      if (!this.open) this.#browsing.beginAnew();
    }
    // Out of the page nothing can be shown, and nothing may go on; back in it this comes again.
    if (!this.isConnected) return;
    this.#popover.follow();
    if (this.#focused) keepFocus(this.renderRoot, this.#focused);
    this.#sight.follow(this.renderRoot);
    clearTimeout(this.#timer);
    const isWaiting = this.#following.view?.connection === "connecting";
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
    void this.updateComplete.then(() => focusRow(this.renderRoot, to));
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
