import { html, nothing, type TemplateResult } from "lit";
import { ask } from "../api.ts";
import { count } from "../format.ts";
import { stateLabel } from "../icons.ts";
import { Loop, Part } from "../part.ts";
import type { Rows } from "../parts/rows.ts";
import "../parts/rows.ts";
import { addressOf, go } from "../route.ts";
import { moment } from "../said.ts";
import { troubleBox } from "../trouble.ts";
import type { Delivery, Page } from "../wire.ts";
import { channelName } from "../words.ts";
import "./delivery.ts";
import { filterForm } from "./delivery-filters.ts";
import "./redrive.ts";

/** The most that one call gives. */
const pageSize = 100;
/** So many rows beyond those seen are there before they are asked for. */
const ahead = 300;
const newerMs = 5_000;

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
  /** Of the question that is being answered: another filter ends it. */
  #asking = new AbortController();

  constructor() {
    super();
    new Loop(this, (signal) => this.#lookForNewer(signal));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asking.abort();
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("filters")) void this.#startOver();
  }

  #startOver = async (): Promise<void> => {
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
    await this.#loadMore();
  };

  get #query(): URLSearchParams {
    return new URLSearchParams(this.filters);
  }

  /** Page after page, until there are enough beyond what is seen. */
  #loadMore = async (): Promise<void> => {
    if (this.#isLoading || this.#isWhole) return;
    this.#isLoading = true;
    this.#error = undefined;
    this.requestUpdate();
    const { signal } = this.#asking;
    try {
      while (!this.#isWhole && this.#rows.length < this.#seen + ahead) {
        const query = this.#query;
        query.set("limit", String(pageSize));
        if (this.#cursor !== undefined) query.set("cursor", this.#cursor);
        const { data, next_cursor } = await ask<Page<Delivery>>("GET", "/v1/deliveries", { query, signal });
        if (signal.aborted) return;
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
    if (this.#error) await this.#loadMore();
    const known = this.#rows;
    const first = known[0]?.id;
    if ((first === undefined && !this.#isWhole) || this.#areNewer) return newerMs;
    const query = this.#query;
    query.set("limit", "1");
    const { data } = await ask<Page<Delivery>>("GET", "/v1/deliveries", { query, signal });
    // Meanwhile the list may have been begun anew.
    if (known === this.#rows) this.#areNewer = data[0] !== undefined && data[0].id !== first;
    return newerMs;
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
    return html`<div class=${isOpen ? "deliveries has-open" : "deliveries"}>
      <div class="list-side">
        <div class="title-line">
          <h1>Deliveries</h1>
          <bf-redrive .filters=${this.filters} @done=${this.#startOver}></bf-redrive>
        </div>
        ${filterForm(query, (next) => go(addressOf("deliveries", undefined, next)))}
        ${this.#areNewer ? this.#newer() : nothing}
        ${this.#error ? troubleBox(this.#error, this.#loadMore) : nothing}
        ${this.#isWhole && this.#rows.length === 0 ? this.#none() : this.#list(query)}
        <p class="soft" role="status">${this.#standing}</p>
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
    if (this.filters) return html`<p class="empty">No delivery is like that.</p>`;
    return html`<p class="empty">Nothing has been sent yet: begin at <a href="#/send">Send</a>.</p>`;
  }

  get #standing(): string {
    const { length } = this.#rows;
    if (length === 0) return this.#isWhole || this.#error ? "" : "Loading…";
    if (this.#isWhole) return `All ${count(length)} of them.`;
    return `${count(length)} loaded${this.#error ? "" : ", older ones follow"}.`;
  }

  #list(query: Record<string, string>): TemplateResult {
    const addressIn = (one: Delivery) => addressOf("deliveries", one.id, query);
    return html`<bf-rows
      .rows=${this.#rows}
      .version=${{}}
      .selected=${this.open === undefined ? -1 : this.#rows.findIndex(({ id }) => id === this.open)}
      .label=${"Deliveries, newest first"}
      .head=${head}
      .row=${(one: Delivery) => cells(one, addressIn(one))}
      @seen=${this.#seeUpTo}
      @opened=${(event: CustomEvent<Delivery>) => go(addressIn(event.detail))}
    ></bf-rows>`;
  }
}

const columns = ["State", "Created", "User", "Type", "Channel", "Provider", "Why"];
const head = columns.map(
  (name) => html`<span role="columnheader" class=${`c-${name.toLowerCase()}`}>${name}</span>`,
);

const cells = (one: Delivery, address: string): TemplateResult => html`
  <span role="gridcell" class="c-state"><a href=${address} tabindex="-1">${stateLabel(one.status)}</a></span>
  <span role="gridcell" class="c-created">${moment(one.created_at)}</span>
  <span role="gridcell" class="c-user" dir="auto">${one.user_id || "erased"}</span>
  <span role="gridcell" class="c-type">${one.type}</span>
  <span role="gridcell" class="c-channel">${channelName(one.channel)}</span>
  <span role="gridcell" class="c-provider">${one.provider}</span>
  <span role="gridcell" class="c-why">${one.reason?.replaceAll("_", " ")}</span>
`;

customElements.define("bf-deliveries", Deliveries);
