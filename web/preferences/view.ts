import { html, nothing } from "lit/html.js";
import type { PreferenceCell, PreferencesAnswer } from "../../src/client/index.ts";
import { inWords, labelIn } from "./choices.ts";
import type { Texts } from "./texts.ts";

type Category = PreferencesAnswer["categories"][number];

export interface View {
  texts: Texts;
  tag: string;
  answer: PreferencesAnswer;
  /** Unix ms. */
  now: number;
  onCell: (scope: "categories" | "types", name: string, channel: string, box: HTMLInputElement) => void;
  onPause: (length: "hour" | "tomorrow" | "week" | undefined) => void;
  onQuiet: (period: { from: string; to: string } | undefined) => void;
}

export const view = (given: View) => html`
  ${given.answer.categories.length === 0 ? html`<p class="soft">${given.texts.empty}</p>` : nothing}
  ${given.answer.categories.map((one) => category(given, one))}
  ${pause(given)} ${quiet(given)}`;

function category(given: View, { category: name, label, cells, types }: Category) {
  const { texts, tag } = given;
  const title = name === undefined ? texts.others : (labelIn(label, tag) ?? inWords(name));
  const rows = types.map(({ type, description, cells: own }) =>
    row(given, "types", type, description ?? inWords(type), own, true),
  );
  if (name === undefined) return html`<section part="category"><h3><bdi>${title}</bdi></h3>${rows}</section>`;
  return html`<section part="category">
    <h3><bdi>${title}</bdi></h3>
    ${row(given, "categories", name, title, cells, false)}
    ${types.length > 1 ? html`<details part="details"><summary>${texts.details}</summary>${rows}</details>` : nothing}
  </section>`;
}

function row(
  given: View,
  scope: "categories" | "types",
  name: string,
  title: string,
  cells: Record<string, PreferenceCell>,
  showsTitle: boolean,
) {
  return html`<div class="row" part="row" role="group" aria-label=${title}>
    ${showsTitle ? html`<span class="name" aria-hidden="true"><bdi>${title}</bdi></span>` : nothing}
    <span class="switches">
      ${Object.entries(cells).map(([channel, cell]) => toggle(given, scope, name, title, channel, cell))}
    </span>
  </div>`;
}

function toggle(
  { texts, onCell }: View,
  scope: "categories" | "types",
  name: string,
  title: string,
  channel: string,
  { value, locked }: PreferenceCell,
) {
  const isOn = value !== false;
  const words = (texts as Record<string, string>)[channel] ?? inWords(channel);
  const fixed = locked === undefined ? undefined : isOn ? texts.locked : texts.lockedOff;
  return html`<label part="cell ${fixed ? "locked" : ""}" title=${fixed ?? nothing}>
    <input type="checkbox" role="switch" .checked=${isOn} ?disabled=${fixed !== undefined}
      aria-label=${`${title}: ${words}${fixed ? `, ${fixed}` : ""}`}
      @change=${({ target }: Event) => onCell(scope, name, channel, target as HTMLInputElement)} />
    <span aria-hidden="true">${words}</span>
  </label>`;
}

function pause({ texts, tag, answer, now, onPause }: View) {
  const until = Date.parse(answer.preferences.muted_until ?? "");
  const isPaused = until > now;
  const format = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
  const button = (length: "hour" | "tomorrow" | "week") =>
    html`<button type="button" class="plain" @click=${() => onPause(length)}>${texts[length]}</button>`;
  return html`<section part="pause">
    <h3>${texts.pause}</h3>
    <p class="soft">${texts.pauseText}</p>
    ${
      isPaused
        ? html`<p><strong>${texts.pausedUntil.replace("{time}", format.format(until))}</strong></p>
            <p class="buttons"><button type="button" class="plain" @click=${() => onPause(undefined)}>${texts.resume}</button></p>`
        : html`<p class="buttons">${button("hour")} ${button("tomorrow")} ${button("week")}</p>`
    }
  </section>`;
}

const usual = { from: "22:00", to: "07:00" };

function quiet({ texts, answer, onQuiet }: View) {
  const { quiet: periods = [] } = answer.preferences;
  const [first] = periods;
  const period = first ?? usual;
  const isSimple = periods.length < 2 && !first?.days && !first?.channels;
  const time = (which: "from" | "to") => html`<label class="time">${texts[which]}
    <input type="time" required .value=${period[which]}
      @change=${({ target }: Event) => {
        const { value } = target as HTMLInputElement;
        if (value) onQuiet({ from: period.from, to: period.to, [which]: value });
      }} /></label>`;
  return html`<section part="quiet">
    <h3>${texts.quiet}</h3>
    <p class="soft">${texts.quietText}</p>
    <label part="cell"><input type="checkbox" role="switch" .checked=${first !== undefined} aria-label=${texts.quietOn}
      @change=${(event: Event) => onQuiet((event.target as HTMLInputElement).checked ? usual : undefined)} />
      <span aria-hidden="true">${texts.quietOn}</span></label>
    ${
      first
        ? html`<p class="buttons">${time("from")} ${time("to")}</p>
            <p class="soft">${texts.zone.replace("{zone}", answer.time_zone)}</p>
            ${isSimple ? nothing : html`<p class="soft">${texts.more}</p>`}`
        : nothing
    }
  </section>`;
}
