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
import { focusedIn, keepFocus, rowOf } from "./keys.ts";
import listStyles from "./list.css?inline";
import { OwnRows } from "./own-rows.ts";
import { PageEvents } from "./page-events.ts";
import { type Panel, panel } from "./panel.ts";
import { isParsed, parsed } from "./parsed.ts";
import type { Change } from "./pending.ts";
import { Popover } from "./popover.ts";
import { RowKeys } from "./row-keys.ts";
import { serverOf } from "./server.ts";
import type { InboxView } from "./session.ts";
import { Sight } from "./sight.ts";
import { createSpeaker } from "./speaker.ts";
import { statusOf } from "./status.ts";

/** Times are shown to the minute. While it is not live, the sentence depends on how long that has been. */
const timesMs = 20_000;
const patienceMs = 1_000;
/** A smaller difference of the clocks is ignored. */
const clockToleranceMs = 120_000;

export class BelfryInbox extends Attributes {
  static override styles = [tokens, styles, listStyles].map(unsafeCSS);
  readonly #following = new Following(
    {
      isShown: () => this.checkVisibility(),
      isUndoInUse: () => this.renderRoot.querySelector("[part=undo]:is(:hover, :focus)") !== null,
    },
    (arrived) => this.#announce(arrived),
  );
  readonly #events = new PageEvents(this);
  readonly #popover = new Popover(this);
  readonly #browsing = new Browsing();
  readonly #keys = new RowKeys(
    this,
    this.#browsing,
    () => this.#browsing.rows(this.items),
    () => this.#following.session?.undo(),
  );
  readonly #own = new OwnRows(this);
  #items: readonly InboxItem[] | undefined;
  #showsBlocked = false;
  #showsPreferences = false;
  #focused: ReturnType<typeof focusedIn>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #speaker = createSpeaker(() => this.requestUpdate());
  readonly #sight = new Sight(
    () => this.#see(),
    () => {
      this.#browsing.drawMore();
      this.requestUpdate();
    },
  );

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
    const { user, server, token, getToken, tokenUrl } = this;
    if (changed.has("user") || changed.has("server")) {
      this.#following.forget();
      this.#speaker.stop();
      this.#events.forget();
      this.#browsing.choose("all");
      this.#browsing.close();
    } else if (changed.has("token") || changed.has("tokenUrl")) this.#following.end();
    else if (changed.has("getToken")) this.#following.setGetToken(getToken);
    if (user && this.isConnected) {
      if (token || getToken || tokenUrl || isParsed())
        this.#following.begin({ user, server, token, getToken, tokenUrl });
      else void parsed.then(() => this.requestUpdate());
    }
    // Closed before its content is removed, so that the focus returns to where it came from.
    if (!this.open) this.#popover.follow();
    this.#focused = focusedIn(this.renderRoot);
  }

  /** What the list has under the chosen filter, newest first; empty until it is loaded. */
  get items(): readonly InboxItem[] {
    return this.#items ?? [];
  }

  get #isShown(): boolean {
    return this.inline || this.open;
  }

  #announce(arrived: InboxItem[]): void {
    const { view } = this.#following;
    if (!view?.isLoaded || !this.user) {
      this.requestUpdate();
      return;
    }
    this.#events.count(view);
    this.#events.arrived(arrived);
    if (arrived.length > 0 && this.#following.leads) {
      this.#speaker.arrived(arrived);
      void desktop.notify(this.user, arrived, (item) => this.#activate(item));
    }
    this.#readWhatIsShown();
    this.requestUpdate();
  }

  readonly #onVisible = (): void => {
    this.#readWhatIsShown();
    this.requestUpdate();
  };

  #readWhatIsShown(): void {
    const { view } = this.#following;
    if (this.readOn !== "open" || !this.#isShown || document.hidden) return;
    // After a failure the reader decides whether to try again.
    if (!view || view.unread === 0 || view.failure || view.connection !== "live") return;
    for (const one of view.items) if (!one.read) this.#browsing.kept.add(one.id);
    void this.#following.session?.readAll();
  }

  /** The list is in sight. */
  #see(): void {
    const { view, session } = this.#following;
    if (this.badge === "unread" || document.hidden || view?.connection !== "live") return;
    if (this.#browsing.sees(view)) void session?.seen();
  }

  protected override render() {
    const { view } = this.#following;
    const { dir, tag } = this.words;
    const counts = this.badge === "unread" ? "unread" : "unseen";
    this.#listItems(view);
    const shown = this.#isShown ? this.#panel(view) : undefined;
    const drawn = shown?.rows.slice(0, shown.drawn).flatMap(({ item, group }) => (group ? [] : [item])) ?? [];
    this.#own.draw(drawn, this.renderItem);
    return html`
      <div class="root" part="root" dir=${dir} lang=${tag}>
        ${this.inline ? nothing : bell(this.words, counts, view?.isLoaded ? view[counts] : 0, this.open)}
        <section id="panel" class="panel" part="panel" popover=${this.inline ? nothing : "auto"}
          role=${this.inline ? "region" : "dialog"} aria-labelledby="title" tabindex="-1" ?autofocus=${!this.inline}
          @beforetoggle=${this.#popover.onToggle} @toggle=${this.#popover.onToggle} @keydown=${this.#keys.onKey}
          @slotchange=${() => this.requestUpdate()}>
          ${shown ? panel(shown) : nothing}
        </section>
        <div class="sr" role="status">${this.#speaker.text(this.words)}</div>
      </div>`;
  }

  #listItems(view: InboxView | undefined): void {
    const before = this.#items;
    const items = view?.isLoaded ? this.#browsing.shown(view.items) : undefined;
    this.#items = items;
    if (items?.length === before?.length && items?.every((one, index) => one === before?.[index])) return;
    if (items ?? before) void this.updateComplete.then(() => this.#events.listed(this.items));
  }

  #panel(view: InboxView | undefined): Panel {
    const now = Date.now();
    const browsing = this.#browsing;
    const rows = browsing.rows(this.items);
    const ahead = view?.clockAhead ?? 0;
    const clockOff = Math.abs(ahead) > clockToleranceMs ? ahead : 0;
    return {
      locale: this.words,
      now: now - clockOff,
      isInline: this.inline,
      isLoaded: view?.isLoaded ?? false,
      unread: view?.unread ?? 0,
      filter: browsing.filter,
      rows,
      current: browsing.stop(rows),
      drawn: browsing.drawn,
      isNew: (item) => !item.read || (this.readOn === "open" && browsing.kept.has(item.id)),
      isFresh: (item) => browsing.fresh.has(item.id),
      isExpanded: (id) => browsing.expanded.has(id),
      isOwn: (item) => this.#own.has(item),
      status: statusOf(view, this.words, now, Boolean(this.user)),
      failure: view?.failure,
      removed: view?.removed,
      showsBlocked: this.#showsBlocked,
      clockOff,
      onFilter: (filter) => {
        browsing.choose(filter);
        this.renderRoot.querySelector(".scroll")?.scrollTo(0, 0);
        this.requestUpdate();
      },
      preferences: this.#showsPreferences ? this.#preferences() : undefined,
      onPreferences: () => void this.#togglePreferences(),
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
      onUndo: () => this.#keys.undo(),
      onFocus: (event) => {
        const id = rowOf(event, this.renderRoot)?.dataset.id;
        if (id !== browsing.current) this.requestUpdate();
        browsing.current = id;
      },
      onClick: (event, item) => this.#onClick(event, item),
      onChange: (change, item) => this.#change(change, item),
      onExpand: (id) => {
        browsing.expand(id);
        this.requestUpdate();
      },
    };
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("open") || changed.has("inline")) {
      this.#readWhatIsShown();
      if (!this.open) {
        this.#browsing.close();
        this.#showsPreferences = false;
      }
    }
    // Out of the page nothing can be shown; once it is back this runs again.
    if (!this.isConnected) return;
    this.#popover.follow();
    if (this.#focused) keepFocus(this.renderRoot, this.#focused);
    this.#sight.follow(this.renderRoot);
    clearTimeout(this.#timer);
    const isWaiting = this.#following.view?.connection === "connecting";
    if (this.#isShown) this.#timer = setTimeout(() => this.requestUpdate(), isWaiting ? patienceMs : timesMs);
  }

  #onClick(event: MouseEvent, item: InboxItem): void {
    const goes = this.#events.clicked(item);
    // With these keys the browser opens another window, whatever the page does.
    const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!goes && !isElsewhere) event.preventDefault();
    this.#readClicked(item);
    if ((!goes || addressOf(item)) && !isElsewhere && !this.inline) this.open = false;
  }

  /** What a click does, for a notification of the browser. */
  #activate(item: InboxItem): void {
    this.#readClicked(item);
    if (!this.#events.clicked(item)) return;
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

  #preferences() {
    const { user, server, token, getToken, tokenUrl, words, theme } = this;
    return html`<belfry-preferences headless .user=${user} .server=${serverOf(server)}
      .token=${token} .getToken=${getToken} .tokenUrl=${tokenUrl} .locale=${words.tag} .theme=${theme}></belfry-preferences>`;
  }

  async #togglePreferences(): Promise<void> {
    this.#showsPreferences = !this.#showsPreferences;
    this.requestUpdate();
    await this.updateComplete;
    const next = this.#showsPreferences ? "back" : "preferences";
    this.renderRoot.querySelector<HTMLElement>(`[part=${next}]`)?.focus();
  }

  async #toggleNotify(): Promise<void> {
    await desktop.agree(!desktop.hasAgreed());
    this.#showsBlocked = desktop.isBlocked();
    this.requestUpdate();
  }
}
