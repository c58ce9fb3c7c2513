import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { count } from "../format.ts";
import { stateLabel } from "../icons.ts";
import { isAway, Loop, Part } from "../part.ts";
import type { Rows } from "../parts/rows.ts";
import "../parts/rows.ts";
import { errorBox } from "../error-box.ts";
import { empty, getStarted, moment } from "../feedback.ts";
import { channelName } from "../labels.ts";
import { addressOf, go } from "../route.ts";
import type { Delivery, Page } from "../wire.ts";
import "./delivery.ts";
import { filterForm } from "./delivery-filters.ts";
import "./redrive.ts";

/** The most that one call gives. */
const pageSize = 100;
/** So many rows beyond those seen are there before they are asked for. */
const ahead = 300;
const newerMs = 5_000;
/** A filter without an index costs the database something each time: at most one part in so many of the time. */
const patience = 20;

/** Deliveries by filters, newest first: as many as there are, a page at a time. */
class Deliveries extends Part {
  static override properties = { open: { attribute: false }, filters: { attribute: false } };
  /** The id of the one that is open. */
  declare open: string | undefined;
  /** As they stand in the address. */
  declare filters: string;
  #rows: Delivery[] = [];
  #cursor: string | undefined;
  #isWhole = false;
  #isLoading = false;
  #error: unknown;
  #seen = 0;
  #areNewer = false;
  /** The same one as long as the filters are: rows that are shown stay as they are when more come. */
  #row = rowIn({});
  /** Of the question that is being answered: another filter ends it. */
  #asking = new AbortController();
  #loading: Promise<void> | undefined;
  #loop = new Loop(this, (signal) => this.#lookForNewer(signal));

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

  /** Page after page, until there are enough beyond what is seen. */
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
        const { data, next_cursor } = await ask<Page<Delivery>>("GET", "/v1/deliveries", { query, signal });
        if (signal.aborted) return;
        this.#error = undefined;
        this.#rows.push(...data);
        this.#cursor = next_cursor;
        this.#isWhole = next_cursor === undefined;
        this.requestUpdate();
        // What is not asked for yet waits until what has come is on the page.
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
    // A slow answer is told as one, and a failure that may pass is asked again.
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
    const { data } = await ask<Page<Delivery>>("GET", "/v1/deliveries", { query, signal });
    // Meanwhile the list may have been begun anew.
    if (known === this.#rows) this.#areNewer = data[0] !== undefined && data[0].id !== first;
    return Math.max(newerMs, (performance.now() - begun) * patience);
  }

  /** The open one has changed under the operator's hand. */
  #changed = (event: CustomEvent<Delivery>): void => {
    const at = this.#rows.findIndex(({ id }) => id === event.detail.id);
    if (at >= 0) this.#rows.splice(at, 1, event.detail);
    this.requestUpdate();
  };

  override render(): TemplateResult {
    const query = Object.fromEntries(this.#query);
    const isOpen = this.open !== undefined;
    const list = addressOf("deliveries", undefined, query);
    // There is nothing to filter, or to send again.
    const isBare = this.#isWhole && this.#rows.length === 0 && !this.filters;
    return html`<div class=${isOpen ? "deliveries has-open" : "deliveries"}>
      <div class="list-side">
        <div class="title-line">
          <h1>Deliveries</h1>
          <p class="soft" role="status">${this.#standing}</p>
          ${isBare ? nothing : html`<bf-redrive .filters=${this.filters} @done=${this.#startOver}></bf-redrive>`}
        </div>
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
      Newer ones have come. <button type="button" @click=${this.#startOver}>Show them</button>
    </p>`;
  }

  #none(): TemplateResult {
    if (this.filters)
      return empty("No delivery is like that.", html`<a href="#/deliveries">Clear the filters</a>.`);
    return empty("Nothing has been sent yet.", getStarted);
  }

  get #standing(): string {
    const { length } = this.#rows;
    const waits = this.#loop.isSlow ? "It takes longer than it should…" : "Loading…";
    if (length === 0) return this.#isWhole || this.#error ? "" : waits;
    if (this.#isWhole) return length === 1 ? "One." : `All ${count(length)} of them.`;
    return `${count(length)} loaded${this.#error ? "" : ", older ones follow"}.`;
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

const columns = ["State", "Created", "User", "Type", "Channel", "Provider", "Remark"];
const head = columns.map(
  (name) => html`<span role="columnheader" class=${`c-${name.toLowerCase()}`}>${name}</span>`,
);

const rowIn =
  (query: Record<string, string>) =>
  (one: Delivery): TemplateResult =>
    html`
  <span role="gridcell" class="c-state"><a href=${addressOf("deliveries", one.id, query)} tabindex="-1">${stateLabel(one.status)}</a></span>
  <span role="gridcell" class="c-created">${moment(one.created_at, true)}</span>
  <span role="gridcell" class="c-user" dir="auto">${one.user_id || "erased"}</span>
  <span role="gridcell" class="c-type">${one.type}</span>
  <span role="gridcell" class="c-channel">${channelName(one.channel)}</span>
  <span role="gridcell" class="c-provider">${one.provider}</span>
  <span role="gridcell" class="c-remark">${remark(one)}</span>
`;

/** Why it ended as it did, or that it took more than one try. */
function remark({ reason, status, tries, due }: Delivery): unknown {
  if (reason) return reason.replaceAll("_", " ");
  if (status === "pending" && tries > 0 && due) return html`next try ${moment(due, true)}`;
  return tries > 1 ? `${tries} tries` : nothing;
}

customElements.define("bf-deliveries", Deliveries);
