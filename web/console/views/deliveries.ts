import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { count, plural } from "../format.ts";
import { isAway, Loop, Part } from "../part.ts";
import "../parts/inbox-item.ts";
import type { Rows } from "../parts/rows.ts";
import "../parts/rows.ts";
import type { Delivery } from "../../../src/client/wire.ts";
import { errorBox } from "../error-box.ts";
import { empty, getStarted, slow } from "../feedback.ts";
import { addressOf, go } from "../route.ts";
import type { DeliveryPage } from "../wire.ts";
import "./delivery.ts";
import { filterForm } from "./delivery-filters.ts";
import { head, rowIn } from "./delivery-row.ts";
import "./find.ts";
import "./redrive.ts";

/** The largest page of the API. */
const pageSize = 100;
/** This many rows beyond the visible ones are loaded ahead. */
const ahead = 300;
const newerMs = 5_000;
/** Rows on the screen are read again this often. */
const freshMs = 3_000;
/** Filters without an index cost the database something: spend at most 1/20 of the time on them. */
const patience = 20;

/** Deliveries that match the filters, newest first, loaded page by page. */
class Deliveries extends Part {
  static override properties = { open: { attribute: false }, filters: { attribute: false } };
  /** The id of the open delivery. */
  declare open: string | undefined;
  /** The query of the address. */
  declare filters: string;
  #rows: Delivery[] = [];
  #cursor: string | undefined;
  #isWhole = false;
  #isLoading = false;
  #error: unknown;
  #seen = 0;
  #areNewer = false;
  /** Stays the same while the filters do, so that visible rows are not rendered again when more arrive. */
  #row = rowIn({});
  /** Another filter ends the request under way. */
  #asking = new AbortController();
  #loading: Promise<void> | undefined;
  #loop = new Loop(this, (signal) => this.#lookForNewer(signal));

  constructor() {
    super();
    new Loop(this, (signal) => this.#refresh(signal));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asking.abort();
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("filters")) return;
    this.#row = rowIn(Object.fromEntries(this.#query));
    this.#startOver();
  }

  #startOver = (): void => {
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#rows = [];
    this.#cursor = undefined;
    this.#isWhole = false;
    this.#areNewer = false;
    this.#error = undefined;
    this.#isLoading = false;
    this.#seen = 0;
    this.querySelector<Rows<Delivery>>("bf-rows")?.toTop();
    this.#loading = this.#loadMore();
    this.#loop.restart();
  };

  get #query(): URLSearchParams {
    return new URLSearchParams(this.filters);
  }

  /** Page after page, until enough are loaded beyond the visible ones. */
  #loadMore = async (): Promise<void> => {
    if (this.#isLoading || this.#isWhole) return;
    this.#isLoading = true;
    this.requestUpdate();
    const { signal } = this.#asking;
    try {
      while (!this.#isWhole && this.#rows.length < this.#seen + ahead) {
        const query = this.#query;
        query.set("limit", String(pageSize));
        if (this.#cursor !== undefined) query.set("cursor", this.#cursor);
        const { data, next_cursor } = await ask<DeliveryPage>("GET", "/v1/deliveries", { query, signal });
        if (signal.aborted) return;
        this.#error = undefined;
        this.#rows.push(...data);
        this.#cursor = next_cursor;
        this.#isWhole = next_cursor === undefined;
        this.requestUpdate();
        // Render what has arrived before asking for what is not needed yet.
        if (this.#rows.length >= this.#seen) await this.updateComplete;
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#isLoading = false;
    this.requestUpdate();
  };

  #seeUpTo = (event: CustomEvent<number>): void => {
    this.#seen = event.detail;
    if (this.#error === undefined && this.#rows.length < this.#seen + ahead) void this.#loadMore();
  };

  async #lookForNewer(signal: AbortSignal): Promise<number> {
    // A slow answer shows as slow, and a temporary failure is retried.
    const loading = this.#loading;
    this.#loading = undefined;
    if (loading) await loading;
    else if (this.#error) await this.#loadMore();
    if (this.#error) throw this.#error;
    const known = this.#rows;
    const first = known[0]?.id;
    if ((first === undefined && !this.#isWhole) || this.#areNewer) return newerMs;
    const query = this.#query;
    query.set("limit", "1");
    const begun = performance.now();
    const { data } = await ask<DeliveryPage>("GET", "/v1/deliveries", { query, signal });
    // The list may have started over in the meantime.
    if (known === this.#rows) this.#areNewer = data[0] !== undefined && data[0].id !== first;
    return Math.max(newerMs, (performance.now() - begun) * patience);
  }

  /** Keeps the rows on the screen true. Their order and number stay, so nothing jumps. */
  async #refresh(signal: AbortSignal): Promise<number> {
    const shown = this.querySelector<Rows<Delivery>>("bf-rows")?.shown ?? [];
    if (shown.length > 0) {
      const query = {
        id: shown
          .map(({ id }) => id)
          .slice(0, pageSize)
          .join(),
        limit: pageSize,
      };
      const { data } = await ask<DeliveryPage>("GET", "/v1/deliveries", { query, signal });
      this.#replace(data);
    }
    return freshMs;
  }

  #changed = (event: CustomEvent<Delivery>): void => this.#replace([event.detail]);

  #replace(fresh: Delivery[]): void {
    const byId = new Map(fresh.map((one) => [one.id, one]));
    for (const [at, row] of this.#rows.entries()) {
      const next = byId.get(row.id);
      if (next && (next.updated_at !== row.updated_at || next.status !== row.status)) this.#rows[at] = next;
    }
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const query = Object.fromEntries(this.#query);
    const isOpen = this.open !== undefined;
    const list = addressOf("deliveries", undefined, query);
    // There is nothing to filter or to redrive.
    const isBare = this.#isWhole && this.#rows.length === 0 && !this.filters;
    return html`<div class=${isOpen ? "deliveries has-open" : "deliveries"}>
      <div class="list-side">
        <div class="title-line">
          <h1>Deliveries</h1>
          <p class="soft" role="status">${this.#standing}</p>
          ${isBare ? nothing : html`<bf-redrive .filters=${this.filters} @done=${this.#startOver}></bf-redrive>`}
        </div>
        <bf-find></bf-find>
        ${isBare ? nothing : filterForm(query, (next) => go(addressOf("deliveries", undefined, next)))}
        ${this.#areNewer ? this.#newer() : nothing}
        ${isAway(this.#loop.error) ? nothing : errorBox(this.#error ?? this.#loop.error, this.#loop.again)}
        ${this.#rows.length > 0 || (this.#isLoading && !this.#error) ? this.#list(query) : this.#isWhole ? this.#none() : nothing}
      </div>
      ${
        isOpen
          ? html`<bf-delivery .delivery=${this.open} .back=${list} @changed=${this.#changed}></bf-delivery>`
          : nothing
      }
    </div>`;
  }

  #newer(): TemplateResult {
    return html`<p class="newer" role="status">
      There are newer deliveries. <button type="button" @click=${this.#startOver}>Show them</button>
    </p>`;
  }

  #none(): TemplateResult {
    const { notification_id: id, ...rest } = Object.fromEntries(this.#query);
    // It may be in an inbox alone.
    if (id && Object.keys(rest).length === 0)
      return html`<bf-inbox-item .notification=${id}></bf-inbox-item>`;
    if (this.filters)
      return empty("No deliveries match these filters.", html`<a href="#/deliveries">Clear the filters</a>.`);
    return empty("Nothing has been sent yet.", getStarted);
  }

  get #standing(): string {
    const { length } = this.#rows;
    const waits = this.#loop.isSlow ? slow : "Loading…";
    if (length === 0) return this.#isWhole || this.#error ? "" : waits;
    if (this.#isWhole) return plural(length, "delivery", "deliveries");
    return `${count(length)} loaded${this.#error ? "" : ", more as you scroll"}`;
  }

  #list(query: Record<string, string>): TemplateResult {
    return html`<bf-rows
      .rows=${this.#rows}
      .version=${{}}
      .selected=${this.open === undefined ? -1 : this.#rows.findIndex(({ id }) => id === this.open)}
      .label=${"Deliveries, newest first"}
      .head=${head}
      .row=${this.#row}
      @seen=${this.#seeUpTo}
      @opened=${(event: CustomEvent<Delivery>) => go(addressOf("deliveries", event.detail.id, query))}
    ></bf-rows>`;
  }
}

customElements.define("bf-deliveries", Deliveries);
