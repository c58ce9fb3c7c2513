import { html, nothing, type TemplateResult } from "lit";
import { stateMark } from "../icons.ts";
import { channelName, channels, reasons, states } from "../labels.ts";

type Query = Record<string, string>;

/** On smaller screens the open filters would leave the list no room. */
const isWide = matchMedia("(min-width: 1200px)");

/** The filters behind "More filters". */
const further = ["channel", "type", "user_id", "notification_id", "provider", "reason", "from", "to"];

/** The API's filters as a form. `onChange` gets them as the API names them. */
export function filterForm(query: Query, onChange: (next: Query) => void): TemplateResult {
  const chosen = new Set((query.status ?? "").split(",").filter(Boolean));
  const active = further.filter((name) => query[name]).length;
  const set = (name: string, value: string) => onChange({ ...query, [name]: value });
  const toggle = (state: string) => {
    const next = states.filter((one) => (one === state ? !chosen.has(one) : chosen.has(one)));
    set("status", next.join(","));
  };
  const stay = (event: Event) => event.preventDefault();
  return html`<form class="filters" role="search" aria-label="Filters" @submit=${stay}>
    <div class="chips" role="group" aria-label="State">
      ${states.map(
        (state) => html`<button
          type="button"
          class="chip"
          aria-pressed=${chosen.has(state)}
          @click=${() => toggle(state)}
        >${stateMark(state)}${state}</button>`,
      )}
    </div>
    <details ?open=${active > 0 && isWide.matches}>
      <summary>More filters${active ? ` (${active})` : ""}</summary>
      <div class="filter-fields">
        ${choice("channel", "Channel", channels, channelName)}
        ${field("user_id", "User id")}
        ${field("type", "Type")}
        ${field("provider", "Provider")}
        ${choice("reason", "Reason", reasons, (one) => one.replaceAll("_", " "))}
        ${field("notification_id", "Notification id")}
        ${time("from", "Created from")}
        ${time("to", "Created until")}
      </div>
    </details>
    ${
      active || chosen.size
        ? html`<button type="button" class="quiet" @click=${() => onChange({})}>Clear filters</button>`
        : nothing
    }
  </form>`;

  function field(name: string, label: string): TemplateResult {
    const changed = (event: Event) => set(name, textOf(event).trim());
    return html`<label>${label}<input maxlength="128" .value=${query[name] ?? ""} @change=${changed} /></label>`;
  }

  function choice(name: string, label: string, known: readonly string[], say: (one: string) => string) {
    const option = (value: string, says: string) =>
      html`<option value=${value} ?selected=${value === (query[name] ?? "")}>${says}</option>`;
    return html`<label>${label}
      <select @change=${(event: Event) => set(name, textOf(event))}>
        ${option("", "any")}${known.map((one) => option(one, say(one)))}
      </select>
    </label>`;
  }

  function time(name: string, label: string): TemplateResult {
    const changed = (event: Event) => set(name, isoTime(textOf(event)));
    return html`<label class="time">${label}
      <input type="datetime-local" step="1" .value=${localTime(query[name])} @change=${changed} />
    </label>`;
  }
}

const textOf = (event: Event): string => (event.target as HTMLInputElement).value;

/** The API's time for the field, which only knows the operator's own zone. */
function localTime(text: string | undefined): string {
  const time = text === undefined ? Number.NaN : new Date(/^\d+$/.test(text) ? Number(text) : text).getTime();
  if (Number.isNaN(time)) return "";
  const zone = new Date(time).getTimezoneOffset() * 60_000;
  return new Date(time - zone).toISOString().slice(0, 19);
}

const isoTime = (local: string): string => (local ? new Date(local).toISOString() : "");
